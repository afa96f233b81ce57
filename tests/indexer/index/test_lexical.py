"""The BM25 index comes back as it was written, and finds words."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attridex.indexer.index.lexical import Lexical, WordCounts, counts_of, read_counts, text_of, words, write_bm25
from attridex.indexer.index.shards import Shard


def write(directory: Path, stored: list[Shard]) -> WordCounts:
    found = counts_of(stored, ["genre"])
    write_bm25(directory, found, np.ones(len(found.lengths), bool))
    return found


def test_counts_come_back_and_grow_as_if_all_texts_were_counted_at_once(
    tmp_path: Path, shards: Callable[..., list[Shard]]
) -> None:
    stored = shards(3)
    write(tmp_path, stored[:1])
    known = read_counts(tmp_path)
    assert known is not None
    for found, expected in zip(counts_of(stored[1:], ["genre"], known), write(tmp_path, stored), strict=True):
        assert np.array_equal(found, expected) if isinstance(found, np.ndarray) else found == expected


def test_instances_that_hold_the_words_score(tmp_path: Path, shards: Callable[..., list[Shard]]) -> None:
    stored = shards(3)
    write(tmp_path, stored)
    lexical = Lexical(tmp_path)
    texts = [text for shard in stored for text in shard.instances().column("genre").to_pylist()]
    for query in ("doctor", "Lawyer CAT", "unheard-of"):
        scores = lexical.scores(query)
        assert scores.shape == (len(texts),)
        assert [score > 0 for score in scores] == [bool({*words([query])[0]} & {*text.split()}) for text in texts]


def test_scores_follow_the_formula_of_bm25(tmp_path: Path, shards: Callable[..., list[Shard]]) -> None:
    """Lucene's: idf * tf / (tf + k1 (1 - b + b length / mean length)), k1 = 1.5, b = 0.75."""
    stored = shards(2)
    write(tmp_path, stored)
    texts = [text.split() for shard in stored for text in shard.instances().column("genre").to_pylist()]
    frequency = sum("dog" in text for text in texts)
    idf = np.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
    expected = [idf * text.count("dog") / (text.count("dog") + 1.5 * (0.25 + 0.75 * len(text) / 2)) for text in texts]
    np.testing.assert_allclose(Lexical(tmp_path).scores("dog"), expected, rtol=1e-6)  # float32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": "x", "b": "y"}, "x y"),
        ({"b": ["p", "q"]}, " p q"),
        ({"a": None, "b": 3}, " 3"),
        ({}, " "),
    ],
)
def test_the_text_of_a_record_is_its_text_fields(values: dict[str, object], expected: str) -> None:
    assert text_of(values, ["a", "b"]) == expected
