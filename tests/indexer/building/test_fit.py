"""The check of fit is of the model's own answers, beside what needs no model; it warns where labels or texts are others."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.corpus.reading import rendered
from tests.conftest import records, write_jsonl
from tests.indexer.building.conftest import Begun


def stored(attridex: Any, index: Path) -> Any:
    """The check of fit in an index's manifest."""
    return attridex("info", index, "--json").lines[0]["manifest"]["fit"]


@pytest.mark.parametrize("turn", [0, 1])
def test_labels_that_the_model_gives_fit_and_others_do_not(
    turn: int, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    config = project(count=30, neurons={"enabled": False})
    assert attridex("build", config, "--out", tmp_path / "first").code == 0
    ids = [f"t{number}" for number in range(30)]
    lines = [attridex("predict", "--instance", one, "--index", tmp_path / "first", "--json").lines[0] for one in ids[:3]]
    assert [line["predicted"] for line in lines], "the index answers"
    said = attridex("query", "ia", "--index", tmp_path / "first", "--queries", tmp_path / "queries.jsonl", "--method", "bm25",
                    "--k", 30, "--fields", "predicted", "--json").lines[0]["hits"]  # fmt: skip
    predicted = {hit["id"]: int(hit["predicted"].removeprefix("LABEL_")) for hit in said}
    write_jsonl(tmp_path / "train.jsonl", [{**row, "label": (predicted[row["id"]] + turn) % 3} for row in records(30)])
    ran = attridex("build", config, "--out", tmp_path / "second")
    counts = Counter(predicted.values())
    fit = stored(attridex, tmp_path / "second")
    assert (fit["measure"], fit["model"], fit["counted"]) == ("right", 1.0 - turn, 30)
    assert fit["baseline"] == counts.most_common(1)[0][1] / 30
    assert ("warning: the model does no better than always" in ran.err) == bool(turn)
    assert f"fit: the model answers {1 - turn:.1%} of 30 labels" in ran.err
    dry = attridex("build", config, "--out", tmp_path / "third", "--dry-run", "--json")
    assert dry.lines[0]["fit"] == fit, "so small a corpus is read whole"


@pytest.mark.parametrize("per_token", [False, True])
def test_a_language_models_loss_stands_beside_its_tokens_frequencies(
    per_token: bool, begun: Callable[..., Begun], tmp_path: Path, attridex: Any
) -> None:
    made = begun("llama", 12, "causal-lm", neurons={"enabled": False}, corpus={"per_token": per_token})
    instances = [each for _, each in rendered(made.config.corpus, made.signer.renderer, labels_needed=True)]
    signed = made.signer.sign(instances, gradient=False, neurons=False)
    targets = [len(each.wanted) for each in instances]
    tokens = Counter(token for each in instances for token in each.wanted)
    total = sum(targets)
    assert attridex("build", tmp_path / "config.toml", "--out", tmp_path / "i").code == 0
    fit = stored(attridex, tmp_path / "i")
    assert (fit["measure"], fit["counted"]) == ("loss", total)
    assert fit["model"] == pytest.approx(sum(one.loss * n for one, n in zip(signed, targets, strict=True)) / total, rel=1e-5)
    assert fit["baseline"] == pytest.approx(-sum(n / total * math.log(n / total) for n in tokens.values()))


def test_a_corpus_without_labels_is_held_against_nothing(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    config = project(gradients={"label": "predicted"}, neurons={"enabled": False})
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    rows = [{key: value for key, value in json.loads(line).items() if key != "label"} for line in lines]
    write_jsonl(tmp_path / "train.jsonl", rows)
    ran = attridex("build", config, "--out", tmp_path / "i")
    assert ran.code == 0
    assert stored(attridex, tmp_path / "i") is None
    assert "fit" not in ran.err
