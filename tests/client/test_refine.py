"""Refinement over paraphrases: the rule against a plain loop, and the command over groups of records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.client import Client, RefinedNeuron, refine_neurons
from attridex.client.errors import UsageError
from attridex.client.models import NeuronScore, NeuronsResult
from tests.conftest import records, write_jsonl


def prompt(*neurons: tuple[int, int, float]) -> NeuronsResult:
    return NeuronsResult("q", None, tuple(NeuronScore(*neuron) for neuron in neurons))


def test_neurons_of_more_than_half_the_prompts_stay_with_their_mean_score() -> None:
    found = refine_neurons([prompt((0, 1, 0.4), (1, 2, 0.3)), prompt((0, 1, 0.2), (2, 0, 0.9)), prompt((2, 0, 0.5), (0, 1, 0.6))])
    assert [(n.layer, n.unit, n.prompts) for n in found] == [(2, 0, 2), (0, 1, 3)]
    assert [n.score for n in found] == pytest.approx([0.7, 0.4])


def test_exactly_the_share_is_not_enough_and_empty_prompts_count() -> None:
    both = [prompt((0, 1, 1.0)), prompt()]
    assert refine_neurons(both, 0.5) == ()
    assert refine_neurons(both, 0.49) == (RefinedNeuron(0, 1, 1.0, 1),)
    # 0.29 * 100 is a little less than 29 in floating point; 29 of 100 are still no more than 0.29
    assert refine_neurons([prompt((0, 1, 1.0))] * 29 + [prompt()] * 71, 0.29) == ()
    assert refine_neurons([], 0.5) == ()


@pytest.mark.parametrize("share", [-0.1, 1.0, 50.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to below 1"):
        refine_neurons([prompt((0, 1, 1.0))], share)


@pytest.mark.parametrize("seed", range(6))
def test_the_rule_is_that_of_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prompts = [{(int(a), int(b)): float(rng.integers(1, 4)) for a, b in rng.integers(0, 4, (6, 2))} for _ in range(5)]
    share = float(rng.choice([0.0, 0.2, 0.5, 0.8]))
    found = refine_neurons([prompt(*((*n, s) for n, s in each.items())) for each in prompts], share)
    expected = []
    for layer in range(4):
        for unit in range(4):
            scores = [each[layer, unit] for each in prompts if (layer, unit) in each]
            if len(scores) > share * 5 + 1e-9:
                expected.append((-np.mean(scores), layer, unit, len(scores)))
    assert [(n.layer, n.unit, n.prompts) for n in found] == [each[1:] for each in sorted(expected)]


@pytest.fixture
def asked(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> tuple[Path, Path]:
    """An index, and queries in groups that do not lie together."""
    assert attridex("build", project(count=12), "--out", tmp_path / "i").code == 0
    rows = [{**row, "fact": f"fact {number % 3}"} for number, row in enumerate(records(40))]
    return tmp_path / "i", write_jsonl(tmp_path / "grouped.jsonl", rows)


@pytest.mark.parametrize("method", ["integrated-gradients", "activation-gradient"])
def test_the_command_gives_a_line_for_each_group(method: str, asked: tuple[Path, Path], attridex: Any) -> None:
    index, queries = asked
    ask = ("query", "na", "--index", index, "--queries", queries, "--r", 10, "--method", method, "--json")
    ran = attridex(*ask, "--refine", 0.3, "--group", "fact")
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in queries.read_text().splitlines()]
    with Client.local(index) as client:
        for line, fact in zip(ran.lines, ("fact 0", "fact 1", "fact 2"), strict=True):
            inside = [row for row in rows if row["fact"] == fact]
            answer = client.attribute_neurons(inside, r=10, method=method)
            expected = refine_neurons(answer.results, 0.3)
            assert line["group"] == fact
            assert line["queries"] == [row["id"] for row in inside]
            assert sum(line["predicted"].values()) == len(inside)
            assert (line["method"], line["refine"], line["index_version"]) == (method, 0.3, "1")
            assert expected
            assert [(n["layer"], n["unit"], n["prompts"]) for n in line["neurons"]] == [
                (n.layer, n.unit, n.prompts) for n in expected
            ]
            assert [n["score"] for n in line["neurons"]] == pytest.approx([n.score for n in expected], rel=1e-3)


def test_the_command_shows_tables_to_people(asked: tuple[Path, Path], attridex: Any) -> None:
    ran = attridex("query", "na", "--index", asked[0], "--queries", asked[1], "--refine", 0.3, "--group", "fact")
    assert ran.code == 0, ran.err
    assert "fact fact 1: 13 prompts" in ran.out
    assert "mean over the prompts that name a neuron" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--refine", "0.5"], "together"),
        (["--group", "fact"], "together"),
        (["--refine", "1.5", "--group", "fact"], "from 0 to below 1"),
        (["--refine", "0.5", "--group", "topic"], "query 't0': no column 'topic' (--group); it has id, premise"),
        (["--refine", "0.5", "--group", "fact", "--out", "x.jsonl"], "leave --instance and --out away"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options: list[str], said: str, tmp_path: Path, attridex: Any) -> None:
    rows = [{**row, "fact": "a"} for row in records(2)]
    ran = attridex("query", "na", "--index", tmp_path / "none", "--queries", write_jsonl(tmp_path / "q.jsonl", rows), *options)
    assert ran.code == 2
    assert said in ran.err
