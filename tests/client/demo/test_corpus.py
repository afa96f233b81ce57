"""The demo's corpus is what it says."""

from collections import Counter

import pytest

from attridex.client.demo.corpus import ENTAILMENT, OTHER, SUBCASES, generate, overlap, vocabulary


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


def test_the_vocabulary_holds_every_word() -> None:
    train, challenge = generate(3)
    words = vocabulary([*train, *challenge])
    assert words == sorted(set(words))
    assert {word for row in train for word in row["premise"].split()} <= set(words)
