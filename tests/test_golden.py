"""The golden cases through the command line, every key of expected.json."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.service.conftest import serving

GOLDEN = Path(__file__).parent / "golden"
CASES = ["opt", "gpt2", "bert", "opt-mc", "gpt2-lm"]
HEADS = ["opt", "gpt2", "bert", "opt-mc"]


def close(found: Any, expected: Any) -> bool:
    """The golden tolerance: rtol 1e-3, atol 1e-6 of the largest entry."""
    right = np.asarray(expected, float)
    return np.allclose(np.asarray(found, float), right, rtol=1e-3, atol=1e-6 * np.abs(right).max())


def write_config(path: Path, family: str, expected: dict[str, Any], gradients: str, site: str) -> Path:
    case = GOLDEN / family
    path.write_text(
        f"""
        [model]
        path = "{case / "model"}"
        task = "{expected.get("task", "sequence-classification")}"
        [corpus]
        files = ["{case / "train.jsonl"}"]
        {f'target = "{expected["target"]}"' if expected.get("target") else ""}
        segments = {json.dumps(expected["segments"])}
        metadata = ["genre"]
        [gradients]
        {gradients}
        [neurons]
        site = "{site}"
        [index]
        shard_rows = 16
        """
    )
    return path


Case = tuple[str, dict[str, Any]]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param, json.loads((GOLDEN / request.param / "expected.json").read_text())


@pytest.fixture(params=HEADS)
def head_case(request: pytest.FixtureRequest) -> Case:
    return request.param, json.loads((GOLDEN / request.param / "expected.json").read_text())


@contextmanager
def asked(index: Path, family: str) -> Iterator[tuple[object, ...]]:
    """Arguments that ask a server of an index, which loads the model once for all commands."""
    with serving(index) as server:
        yield "--queries", GOLDEN / family / "queries.jsonl", "--server", f"127.0.0.1:{server.port}", "--json"


def matrix(lines: list[dict[str, Any]], expected: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Scores [query, train] of hits; an instance that is no hit has 0."""
    rows, columns = ({name: number for number, name in enumerate(expected[side])} for side in ("queries", "train"))
    scores = np.zeros((len(rows), len(columns)))
    for line in lines:
        for hit in line["hits"]:
            scores[rows[line["query"]], columns[hit["id"]]] = hit["score"]
    return scores


def test_head_scores_and_post_neurons_are_the_golden_ones(head_case: Case, attridex: Callable[..., Any], tmp_path: Path) -> None:
    family, expected = head_case
    curvatures = [name for name in ("hessian", "fisher") if f"influence_{name}_0.1" in expected["head"]]
    config = write_config(tmp_path / "c.toml", family, expected, f"curvature = {json.dumps(curvatures)}", "post")
    assert attridex("build", config, "--out", tmp_path / "index").code == 0

    def ia(*options: object) -> np.ndarray[Any, Any]:
        return matrix(attridex("query", "ia", *ask, "--k", 40, *options).lines, expected)

    with asked(tmp_path / "index", family) as ask:
        assert close(ia(), expected["head"]["dot"])
        assert close(ia("--method", "grad-cos"), expected["head"]["cosine"])
        for curvature in curvatures:
            for damping in ("0.1", "0.001"):
                found = ia("--method", "influence", "--curvature", curvature, "--damping", damping)
                assert close(found, expected["head"][f"influence_{curvature}_{damping}"]), (curvature, damping)
        check_neurons(attridex, ask, expected, expected["post"])
    check_norms(tmp_path / "index", expected["head"]["train_norms"])


@pytest.mark.parametrize("site", ["post", "pre"])
def test_whole_linear_gradients_and_neurons_are_the_golden_ones(
    case: Case, site: str, attridex: Callable[..., Any], tmp_path: Path
) -> None:
    family, expected = case
    config = write_config(tmp_path / "c.toml", family, expected, 'parameters = "linear"\nprojection = "none"', site)
    assert attridex("build", config, "--out", tmp_path / "index").code == 0
    with asked(tmp_path / "index", family) as ask:
        for method, key in (("grad-dot", "dot"), ("grad-cos", "cosine")):
            found = matrix(attridex("query", "ia", *ask, "--k", 40, "--method", method).lines, expected)
            assert close(found, expected["linear"][key]), method
        check_neurons(attridex, ask, expected, expected[site])
    check_norms(tmp_path / "index", expected["linear"]["train_norms"])


def check_norms(index: Path, expected: list[float]) -> None:
    """The stored norms of the training gradients."""
    from attridex.client import Client

    with Client.local(index, model=False) as client:
        found = [instance.fields["gradient_norm"] for instance in client.list_instances(fields=["gradient_norm"])]
    assert close(found, expected)


def check_neurons(attridex: Callable[..., Any], ask: tuple[object, ...], expected: dict[str, Any], site: dict[str, Any]) -> None:
    """Neurons of queries and training instances, DCNS, and every ablation."""
    lines = attridex("query", "na", *ask, "--r", 20).lines
    names = {None: None} | {f"LABEL_{number}": number for number in range(3)} | {str(number): number for number in range(3)}
    assert [names[line["predicted"]] for line in lines] == site["predicted"]
    for line, neurons in zip(lines, site["query_neurons"], strict=True):
        assert [(n["layer"], n["unit"]) for n in line["neurons"]] == [(layer, unit) for layer, unit, _ in neurons]
        assert close([n["score"] for n in line["neurons"]], [score for _, _, score in neurons])
    train = [part for name in expected["train"] for part in ("--instance", name)]
    kept = attridex("query", "na", *train, *ask[2:], "--r", 0).lines
    assert [len(line["neurons"]) for line in kept] == site["train_neurons_kept"]
    for line, (layer, unit, score) in zip(kept, site["train_top_neuron"], strict=True):
        assert (line["neurons"][0]["layer"], line["neurons"][0]["unit"]) == (layer, unit)
        assert close(line["neurons"][0]["score"], score)
    assert close(matrix(attridex("query", "na-instances", *ask, "--k", 40).lines, expected), site["dcns"])
    if "ablation" not in site:
        return
    edits = [(mode, r) for mode in ("suppress", "keep") for r in (0, 1, 5, 20)]
    options = [part for mode, r in edits for part in (f"--{mode}", f"na:{r}")]
    for line in attridex("predict", *ask, *options).lines:
        golden = site["ablation"][line["query"]]
        assert close(list(line["baseline"].values()), golden["full"])
        for (mode, r), found in zip(edits, line["interventions"], strict=True):
            assert close(list(found["probabilities"].values()), golden[f"{mode}_{r}"]), (line["query"], mode, r)
