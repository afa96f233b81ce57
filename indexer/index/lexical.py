"""The lexical baseline: a BM25 index (bm25s, method "lucene") over the texts of the instances.

How often each word stands in each instance is kept beside it: texts that come later are added to the counts, and the scores
follow from those, so that nobody reads the other texts again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import bm25s
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError, first_line
from attridex.indexer.held.files import Place
from attridex.indexer.held.private import private_copy
from attridex.indexer.index.arrays import check_array, read_array, write_array
from attridex.indexer.index.layout import BM25, WORD_COUNTS, WORD_LENGTHS
from attridex.indexer.index.postings import merged
from attridex.indexer.index.shards import Shard

TOKEN = r"(?u)\b\w+\b"
"""A word; function words count, since artefacts are often made of them."""
K1, B = 1.5, 0.75
"""Robertson and Zaragoza's constants, as bm25s has them."""


def text_of(values: Mapping[str, Any], fields: Iterable[str]) -> str:
    """The text of a record that BM25 sees: its text fields."""
    parts = [values.get(name) for name in fields]
    texts = [" ".join(map(str, part)) if isinstance(part, list | tuple) else part for part in parts]
    return " ".join("" if text is None else str(text) for text in texts)


def words(texts: Sequence[str]) -> list[list[str]]:
    """Words of each text, in lower case."""
    found: list[list[str]] = bm25s.tokenize(
        list(texts), token_pattern=TOKEN, stopwords=None, return_ids=False, show_progress=False
    )
    return found


class WordCounts(NamedTuple):
    """How often words stand in instances: entries of word j are [indptr[j], indptr[j + 1]), in ascending row.

    Attributes:
        numbers: of the words.
        indptr: where the entries of each word begin [w + 1].
        rows: of the entries [m].
        counts: of the word in the row [m].
        lengths: words of each row [n].
    """

    numbers: dict[str, int]
    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.int32]
    lengths: NDArray[np.int32]


NO_WORDS = WordCounts({}, np.zeros(1, np.int64), *(np.zeros(0, np.int32) for _ in range(3)))


def with_texts(before: WordCounts, texts: Sequence[str]) -> WordCounts:
    """The counts with those of more texts, whose rows come behind the others."""
    numbers, n = dict(before.numbers), len(before.lengths)
    entries = [
        (numbers.setdefault(word, len(numbers)), row, count)
        for row, own in enumerate(words(texts), n)
        for word, count in Counter(own).items()
    ]
    of, rows, counts = np.array(sorted(entries), np.int64).reshape(-1, 3).T
    added = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=len(numbers)))])
    known = np.concatenate([before.indptr, np.full(len(numbers) - len(before.numbers), before.indptr[-1])])
    lengths = np.bincount(rows - n, counts, len(texts)).astype(np.int32)
    return WordCounts(
        numbers,
        known + added,
        merged(known, before.rows, added, rows.astype(np.int32)),
        merged(known, before.counts, added, counts.astype(np.int32)),
        np.concatenate([before.lengths, lengths]),
    )


def counts_of(shards: Iterable[Shard], fields: Sequence[str], before: WordCounts = NO_WORDS) -> WordCounts:
    """The counts of all shards' texts, in row order, behind those before."""
    texts = [text_of(row, fields) for shard in shards for row in shard.instances(fields).to_pylist()]
    return with_texts(before, texts)


def word_scores(found: WordCounts, alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """BM25 of each entry [m], idf and mean length taken of the rows that are alive: idf tf / (tf + k1 (1 - b + b l / mean))."""
    of = np.repeat(np.arange(len(found.numbers)), np.diff(found.indptr))
    frequency = np.bincount(of, alive[found.rows], len(found.numbers))
    idf = np.log(1 + (alive.sum() - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    mean = found.lengths[alive].mean() if alive.any() else 1.0
    saturated = K1 * (1 - B + B * found.lengths / (mean or 1.0))
    scores: NDArray[np.float32] = (idf[of] * (found.counts / (found.counts + saturated[found.rows]))).astype(np.float32)
    return scores


def write_bm25(directory: Path, found: WordCounts, alive: NDArray[np.bool_]) -> None:
    """Write the index of counted words into a version's directory; rows that are not alive have scores, but no weight."""
    model = bm25s.BM25(k1=K1, b=B)
    scores = word_scores(found, alive)
    model.scores = {"data": scores, "indices": found.rows, "indptr": found.indptr, "num_docs": len(found.lengths)}
    model.vocab_dict, model.nonoccurrence_array = found.numbers, None
    model.save(str(directory), **BM25, show_progress=False)
    write_array(directory / WORD_COUNTS, found.counts)
    write_array(directory / WORD_LENGTHS, found.lengths)


def read_counts(directory: Path) -> WordCounts | None:
    """The counts of a version; None where it was written before they were kept."""
    if not (directory / WORD_LENGTHS).exists():
        return None
    model = load_bm25(directory)
    return WordCounts(
        dict(model.vocab_dict),
        np.asarray(model.scores["indptr"], np.int64),
        np.asarray(model.scores["indices"], np.int32),
        read_array(directory / WORD_COUNTS),
        read_array(directory / WORD_LENGTHS),
    )


def load_bm25(directory: Path) -> bm25s.BM25:
    """An index in memory.

    Raises:
        DamageError: its files are none, or do not fit together.
    """
    for name in BM25.values():
        if name.endswith(".npy") and (directory / name).exists():
            check_array(directory / name)
    try:
        model: bm25s.BM25 = bm25s.BM25.load(str(directory), **BM25, show_progress=False)
        whole = fits_together(model)
    except Exception as error:  # whatever JSON and arrays of another form lead to
        raise DamageError(f"{BM25['params_name']}: damaged, the BM25 index cannot be read ({first_line(error)})") from None
    if not whole:
        raise DamageError(f"{BM25['indptr_name']}: damaged, the files of the BM25 index do not fit together")
    return model


def fits_together(model: bm25s.BM25) -> bool:
    """Whether an index's numbers lead to places that there are."""
    data, indices, indptr = (np.asarray(model.scores[name]) for name in ("data", "indices", "indptr"))
    tokens, documents = max(model.vocab_dict.values(), default=-1), int(model.scores["num_docs"])
    bounded = len(indices) == 0 or (indices.min() >= 0 and indices.max() < documents)
    rising = len(indptr) > 0 and indptr[0] == 0 and bool((np.diff(indptr) >= 0).all())
    return bool(rising and bounded and indptr[-1] == len(indices) == len(data) and tokens < len(indptr))


class Lexical:
    """A version's BM25 index, open for reading.

    Attributes:
        size: instances n that it says it holds.
    """

    def __init__(self, directory: Place) -> None:
        """Load it."""
        if isinstance(directory, Path):
            self._model = load_bm25(directory)
        else:
            with private_copy(*(directory / name for name in BM25.values() if name in directory.files)) as copy:
                self._model = load_bm25(copy)
        self.size = int(self._model.scores["num_docs"])

    def scores(self, text: str) -> NDArray[np.float32]:
        """BM25 score of every instance [n]."""
        known = [word for word in words([text])[0] if word in self._model.vocab_dict]
        if not known:
            return np.zeros(self.size, np.float32)
        return np.asarray(self._model.get_scores(known), np.float32)
