"""The demo's corpus is what it says, and the demo runs the whole way."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from attridex.client.commands.app import main
from attridex.client.demo.corpus import ENTAILMENT, OTHER, SUBCASES, generate, overlap
from attridex.client.demo.figures import detect
from attridex.client.workbench.statistics import disagreement


def test_the_corpus_has_the_artefact_and_the_flips_it_says() -> None:
    train, challenge = generate(0)
    assert len(train) == 1500
    assert sum(row["flipped"] for row in train) == 75
    right = [
        {**row, "label": (OTHER if row["label"] == ENTAILMENT else ENTAILMENT) if row["flipped"] else row["label"]}
        for row in train
    ]
    entailing = [row["overlap"] for row in right if row["label"] == ENTAILMENT]
    others = [row["overlap"] for row in right if row["label"] == OTHER]
    assert min(entailing) == 1.0
    assert sum(others) / len(others) < 0.55
    assert 0 < sum(value == 1 for value in others) / len(others) < 0.15
    assert {row["label"] for row in challenge} == {OTHER}
    assert sum(row["overlap"] for row in challenge) / len(challenge) > 0.9


def test_the_corpus_is_deterministic_without_duplicates_and_holds_every_subcase() -> None:
    assert generate(3) == generate(3) != generate(4)
    train, challenge = generate(3)
    rows = train + challenge
    assert len({(row["premise"], row["hypothesis"]) for row in rows}) == len(rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert len(SUBCASES) == 30
    seen = Counter((row["heuristic"], row["subcase"]) for row in rows)
    assert all(seen[case.heuristic, case.name] for case in SUBCASES)


def test_overlap_counts_words_of_the_hypothesis() -> None:
    assert overlap("the cat saw the dog .", "the dog ran .") == pytest.approx(2 / 3)


def test_detection_is_perfect_when_the_flipped_score_highest() -> None:
    found = detect([3.0, 1.0, 2.0, 0.5], [True, False, True, False])
    assert (found.auc, found.precision) == (1.0, 1.0)
    assert disagreement("a", ["a", "b"]) == 0.5
    assert disagreement("a", []) == 0.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves."""
    out = tmp_path_factory.mktemp("demo") / "out"
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(out)])
    assert not ended.value.code
    return out


def test_the_demo_runs_and_leaves_an_index_to_go_on_with(attridex: Any, demo: Path) -> None:
    page = (demo / "report.html").read_text()
    assert "<svg" in page
    assert "Evidence for single answers" in page
    assert (demo / "report.png").stat().st_size > 10_000
    ask = ("--index", demo / "index", "--queries", demo / "challenge.jsonl", "--limit", 3, "--json")
    flipped = attridex("query", "ia", *ask, "--method", "influence", "--curvature", "hessian", "--where", "flipped").lines
    assert all(hit["flipped"] for line in flipped for hit in line["hits"])
    assert json.loads(attridex("predict", *ask, "--keep", "na:1").out.splitlines()[0])["interventions"][0]["mode"] == "keep"
    ran = attridex("demo", "--out", demo, "--seed", 5)
    assert ran.code == 1
    assert "another seed" in ran.err


def study(attridex: Any, demo: Path, name: str, settings: str) -> list[dict[str, Any]]:
    """The first table of a study on the demo's index."""
    (demo / "settings.toml").write_text(settings)
    out = demo / f"study-{name}"
    ran = attridex(
        "study", name, "--index", demo / "index", "--queries", demo / "challenge.jsonl", "--out", out,
        "--settings", demo / "settings.toml",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    tables: dict[str, list[dict[str, Any]]] = json.loads((out / name / "result.json").read_text())["tables"]
    return next(iter(tables.values()))


def test_labels_that_are_known_to_be_flipped_are_found_well_above_random(attridex: Any, demo: Path) -> None:
    rows = study(attridex, demo, "mislabel", '[mislabel]\ncolumn = "flipped"\n')
    auc = {row["method"]: row for row in rows if row["measure"] == "auc"}
    for signal in ("self_influence", "neighbours by rep-sim", "neighbours by na-instances"):
        assert auc[signal]["low"] > 0.9, auc[signal]
    assert auc["random"]["low"] < 0.5 < auc["random"]["high"]


def test_the_planted_artefact_is_found_well_above_the_base_rate(attridex: Any, demo: Path) -> None:
    rows = study(attridex, demo, "artefacts", 'queries = 0\n[artefacts]\nfirst = "premise"\nsecond = "hypothesis"\n')
    overlaps = {row["method"]: row for row in rows if row["marker"] == "word overlap"}
    base = overlaps["whole corpus"]
    for method in ("grad-cos", "na-instances"):
        assert overlaps[method]["low"] > base["high"] + 0.1, overlaps[method]
        assert overlaps[method]["low"] > overlaps["random"]["high"], overlaps[method]
    assert overlaps["random"]["low"] < base["high"]
