"""What happens to files under an open version: whole answers or a refusal, never other numbers, and no end of the process."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.layout import (
    ACTIVATIONS,
    ATTRIBUTIONS,
    BM25,
    CATALOG,
    CSC_ROWS,
    CSC_SCORES,
    CSC_WEIGHTS,
    CSR_NEURONS,
    CSR_SCORES,
    CURVATURE,
    GRADIENTS,
    HIDDEN,
    HIDDEN_NORMS,
    NORMS,
    ORDER,
    TRACIN,
)
from attridex.service.errors import DamagedIndexError
from attridex.service.storage.store import Store
from attridex.service.storage.version import IndexVersion
from attridex.service.storage.watch import Watch

FIRST = "shards/*/"
READS: dict[str, tuple[str, Callable[[IndexVersion], Any]]] = {
    GRADIENTS: (FIRST, lambda version: version.gradients[0].vectors.block(0, 5)),
    NORMS: (FIRST, lambda version: version.gradients[0].norms),
    HIDDEN: (FIRST, lambda version: version.hidden[0].vectors.block(0, 5)),
    HIDDEN_NORMS: (FIRST, lambda version: version.hidden_norms),
    TRACIN: (FIRST, lambda version: version.tracin[0].vectors.block(0, 5)),
    ACTIVATIONS: (FIRST, lambda version: version.activations[0].vectors.block(0, 5)),
    ATTRIBUTIONS: (FIRST, lambda version: version.attributions[0].vectors.block(0, 5)),
    CATALOG: ("versions/2/", lambda version: version.fields(range(42), ["premise"])),
    CURVATURE: ("versions/2/", lambda version: version.spectrum("fisher").blocks[0].values),
    BM25["data_name"]: ("versions/2/", lambda version: version.lexical.scores("dog cat")),
    CSR_NEURONS: ("versions/2/", lambda version: version.kept.neurons[3:900]),
    CSR_SCORES: ("versions/2/", lambda version: version.kept.scores[3:900]),
    CSC_ROWS: ("versions/2/", lambda version: version.postings.rows[3:900]),
    CSC_WEIGHTS: ("versions/2/", lambda version: version.postings.weights[3:900]),
    CSC_SCORES: ("versions/2/", lambda version: version.postings.scores[3:900]),
    ORDER: ("versions/2/", lambda version: version.approximate("sq8").order),
}


def zeros(path: Path) -> None:
    """Write over the file, which stays as long as it is."""
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 4)
        stream.write(bytes(path.stat().st_size - path.stat().st_size // 4))


def half(path: Path) -> None:
    """Cut the file."""
    os.truncate(path, path.stat().st_size // 2)


def other(path: Path) -> None:
    """Put another file in its place."""
    beside = path.with_name("beside")
    beside.write_bytes(path.read_bytes()[::-1])
    beside.replace(path)


@pytest.fixture
def store(old: Path) -> Iterator[Store]:
    opened = Store(old)
    yield opened
    opened.close()


def place(old: Path, name: str) -> Path:
    return next(iter(sorted(old.glob(READS[name][0] + name))))


def same(found: Any, expected: Any) -> bool:
    return bool(np.array_equal(np.asarray(found), np.asarray(expected)))


@pytest.mark.parametrize("first", [False, True], ids=["before first use", "after first use"])
@pytest.mark.parametrize("how", [zeros, half, other, Path.unlink])
@pytest.mark.parametrize("name", READS)
def test_a_file_that_changes_gives_the_same_numbers_or_a_refusal(
    old: Path, store: Store, name: str, how: Callable[[Path], None], first: bool
) -> None:
    reference = IndexVersion(old, "2", verify=True)
    expected = READS[name][1](reference)
    expected = expected if isinstance(expected, list) else np.array(expected)
    reference.close()
    if first:
        with store.version() as version:
            READS[name][1](version)
    how(place(old, name))
    with suppress(DamagedIndexError), store.version() as version:
        assert same(READS[name][1](version), expected)
    with pytest.raises(DamagedIndexError, match=name):
        store.reload()
    watch = Watch(store, 0)
    for _ in range(2):
        watch.look()
    watch.close()
    assert name in store.damaged
    with pytest.raises(DamagedIndexError, match=name), store.version():
        pass


def test_a_mended_index_is_served_again(old: Path, store: Store) -> None:
    watch, path = Watch(store, 0), place(old, CSC_ROWS)
    shutil.copy2(path, old / "kept")
    zeros(path)
    watch.look()
    assert CSC_ROWS in store.damaged
    watch.look()
    assert CSC_ROWS in store.damaged
    (old / "kept").replace(path)
    watch.look()
    assert (store.damaged, store.problem) == ("", "")
    with store.version() as version:
        assert version.postings.rows[0:5].max() < version.rows
    watch.close()


def test_a_file_that_was_only_touched_is_whole(old: Path, store: Store) -> None:
    watch = Watch(store, 0)
    for path in old.rglob("*"):
        os.utime(path)
    watch.look()
    assert store.problem == ""
    watch.close()


def test_posting_lists_are_mapped_where_that_is_asked_for(old: Path) -> None:
    checked, mapped = IndexVersion(old, "2", verify=True), IndexVersion(old, "2", verify=True, mapped=True)
    for name in ("rows", "weights", "scores"):
        np.testing.assert_array_equal(getattr(checked.postings, name)[:], getattr(mapped.postings, name))
    for opened in (checked, mapped):
        opened.close()


def test_an_index_that_is_gone_is_told(old: Path, store: Store) -> None:
    shutil.rmtree(old)
    with pytest.raises(DamagedIndexError, match="no attridex index there"):
        store.reload()
    assert "no attridex index there" in store.problem
    with store.version() as version:  # what was opened is whole
        assert len(version.fields(range(42), ["premise"])) == 42
