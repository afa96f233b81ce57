"""The lexical baseline: a BM25 index (bm25s, method "lucene") over the texts of the instances."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import DamageError, first_line
from attridex.indexer.held.files import Place
from attridex.indexer.held.private import private_copy
from attridex.indexer.index.arrays import check_array
from attridex.indexer.index.layout import BM25
from attridex.indexer.index.shards import Shard

TOKEN = r"(?u)\b\w+\b"
"""A word; function words count, since artefacts are often made of them."""


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


def write_bm25(directory: Path, shards: Iterable[Shard], fields: Sequence[str]) -> None:
    """Index the texts of all shards, in row order, into a version's directory."""
    texts: list[str] = []
    for shard in shards:
        texts += [text_of(row, fields) for row in shard.instances(fields).to_pylist()]
    model = bm25s.BM25()
    model.index(words(texts), show_progress=False)
    model.save(str(directory), **BM25, show_progress=False)


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
