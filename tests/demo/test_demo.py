"""The demo's corpus is what it says, and the demo runs the whole way."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from attridex.client.demo_corpus import ENTAILMENT, OTHER, SUBCASES, generate, overlap
from attridex.client.demo_figures import detect, disagreement


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


def test_the_demo_runs_and_leaves_an_index_to_go_on_with(attridex: Any, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    ran = attridex("demo", "--out", out)
    assert ran.code == 0, ran.err
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert "Evidence for single answers" in page
    assert (out / "report.png").stat().st_size > 10_000
    ask = ("--index", out / "index", "--queries", out / "challenge.jsonl", "--limit", 3, "--json")
    flipped = attridex("query", "ia", *ask, "--method", "influence", "--curvature", "hessian", "--where", "flipped").lines
    assert all(hit["flipped"] for line in flipped for hit in line["hits"])
    assert json.loads(attridex("predict", *ask, "--keep", "na:1").out.splitlines()[0])["interventions"][0]["mode"] == "keep"
    ran = attridex("demo", "--out", out, "--seed", 5)
    assert ran.code == 1
    assert "another seed" in ran.err
