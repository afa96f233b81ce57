"""`query na --refine` over groups of records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client, Query, refine_neurons
from attridex.client.commands.asking import Asking
from attridex.client.commands.refine import Refinement, group_of, refinement
from attridex.client.errors import UsageError
from tests.conftest import records, write_jsonl


def test_without_its_options_nothing_is_refined() -> None:
    asking = Asking(Path("q.jsonl"))
    assert refinement(asking, None, None) is None
    assert refinement(asking, 0.5, "fact") == Refinement(0.5, "fact")


def test_a_query_is_of_the_group_that_its_column_says() -> None:
    assert group_of(Query.record({"id": "a", "fact": 3}), "fact") == 3
    with pytest.raises(UsageError, match=r"query 'a': no column 'topic' .*; it has id, fact"):
        group_of(Query.record({"id": "a", "fact": 3}), "topic")


@pytest.fixture
def asked(indexed: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """An index, and queries in groups that do not lie together."""
    rows = [{**row, "fact": f"fact {number % 3}"} for number, row in enumerate(records(40))]
    return indexed(count=12) / "index", write_jsonl(tmp_path / "grouped.jsonl", rows)


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
