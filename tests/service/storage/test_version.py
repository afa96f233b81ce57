"""An open version gives what the files hold, and leaves nothing open when it cannot be opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from attridex.indexer.index.arrays import read_array, read_tensors
from attridex.indexer.index.catalog import Catalog
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import (
    ACTIVATIONS,
    ATTRIBUTIONS,
    CATALOG,
    CURVATURE,
    GRADIENTS,
    HIDDEN,
    HIDDEN_NORMS,
    MANIFEST,
    NORMS,
    TOMBSTONES,
    TRACIN,
    TRACIN_NORMS,
    version_dir,
)
from attridex.indexer.index.records import file_entry, write_record
from attridex.indexer.index.shards import Shard, open_shards
from attridex.service.errors import DamagedIndexError, UnknownInstanceError
from attridex.service.storage.version import IndexVersion


@pytest.fixture
def version(old: Path) -> Iterator[IndexVersion]:
    opened = IndexVersion(old, "2", verify=True)
    yield opened
    opened.close()


@pytest.fixture
def shards(old: Path) -> list[Shard]:
    return open_shards(old, read_manifest(old, "2").shards)


@pytest.mark.parametrize(
    ("name", "file", "norms"),
    [
        ("gradients", GRADIENTS, NORMS),
        ("unit_gradients", GRADIENTS, None),
        ("hidden", HIDDEN, None),
        ("tracin", TRACIN, TRACIN_NORMS),
        ("activations", ACTIVATIONS, None),
        ("attributions", ATTRIBUTIONS, None),
    ],
)
def test_vectors_are_those_of_the_shards(
    version: IndexVersion, shards: list[Shard], name: str, file: str, norms: str | None
) -> None:
    parts = getattr(version, name)
    for part, shard in zip(parts, shards, strict=True):
        expected = shard.part(file, norms)
        assert part.offset == shard.start
        np.testing.assert_array_equal(part.norms, expected.norms)
        np.testing.assert_array_equal(part.vectors.block(0, shard.rows), expected.vectors.block(0, shard.rows))
        for row in (shard.start, shard.stop - 1):
            local = row - shard.start
            stored = expected.vectors.block(local, local + 1)[0].astype(np.float64) * float(expected.norms[local])
            np.testing.assert_array_equal(version.vector(parts, row), stored)


def test_states_are_those_of_the_shards(version: IndexVersion, shards: list[Shard]) -> None:
    states = np.concatenate([shard.scaled(HIDDEN, HIDDEN_NORMS) for shard in shards])
    for row in range(version.rows):
        np.testing.assert_allclose(version.state(row), states[row], rtol=1e-6)  # one product of float32


def test_deleted_rows_are_not_alive(version: IndexVersion, old: Path) -> None:
    gone = read_array(version_dir(old, "2") / TOMBSTONES)
    assert gone.tolist() == np.flatnonzero(~version.alive).tolist() == [17]
    assert version.live == version.rows - 1 == 41
    for identity in ("t17", "nobody"):
        with pytest.raises(UnknownInstanceError, match=f"no instance '{identity}' in version 2 of old"):
            version.row_of(identity)


def test_instances_are_found_by_id_and_row(version: IndexVersion) -> None:
    rows = np.array([40, 3, 3, 0])
    assert version.ids_of(rows) == ["t40", "t3", "t3", "t0"]
    assert [version.row_of(identity) for identity in ("t40", "t0")] == [40, 0]
    found = version.fields(rows.tolist(), ["id", "genre"])
    assert [values["id"] for values in found] == version.ids_of(rows)
    assert version.fields([3, 4], []) == [{}, {}]
    assert version.fields([], ["id"]) == []
    assert version.select("SELECT count(*) FROM instances WHERE row < ?", [7]) == [(7,)]


def test_postings_are_the_kept_neurons_turned_around(version: IndexVersion) -> None:
    kept, postings = version.kept, version.postings
    by_row = {
        (row, int(kept.neurons[at]), float(kept.scores[at]))
        for row in range(version.rows)
        for at in range(kept.indptr[row], kept.indptr[row + 1])
    }
    by_neuron = {
        (int(postings.rows[at]), neuron, float(postings.scores[at]))
        for neuron in range(len(postings.indptr) - 1)
        for at in range(postings.indptr[neuron], postings.indptr[neuron + 1])
    }
    assert by_row == by_neuron
    assert len(by_row) == len(kept.neurons) > 0
    indptr, rows, weights, scores = postings  # they unpack
    assert len(rows) == len(weights) == len(scores) == indptr[-1]


@pytest.mark.parametrize("kind", ["hessian", "fisher", "kfac", "ekfac", "trak"])
def test_spectra_are_those_of_the_file(version: IndexVersion, old: Path, kind: str) -> None:
    tensors = read_tensors(version_dir(old, "2") / CURVATURE)
    spectrum = version.spectrum(kind)
    assert version.spectrum(kind) is spectrum
    for number, block in enumerate(spectrum.blocks):
        np.testing.assert_array_equal(block.values, tensors[f"{kind}.{number}.values"])


@pytest.mark.parametrize("kind", ["sq8", "rabitq", "ivf"])
def test_structures_hold_every_row(version: IndexVersion, kind: str) -> None:
    structure = version.approximate(kind)
    assert version.approximate(kind) is structure
    assert sorted(structure.order) == list(range(version.rows))


def test_words_of_an_instance_find_it(version: IndexVersion) -> None:
    (values,) = version.fields([5], version.manifest.corpus.text_fields)
    assert version.lexical.scores(" ".join(values.values()))[5] > 0


def damage(old: Path, how: str) -> None:
    """Make version 2 one that cannot be opened."""
    directory = version_dir(old, "2")
    if how == "a flipped bit":
        path = next(old.glob("shards/*/predictions.npy"))
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif how == "a lost file":
        (directory / TOMBSTONES).unlink()
    elif how == "a log":
        (directory / "catalog.duckdb.wal").touch()
    elif how == "other rows":
        manifest = read_manifest(old, "2")
        write_record(directory / MANIFEST, manifest.model_copy(update={"instances": 43}))


@pytest.mark.parametrize("how", ["a flipped bit", "a lost file", "a log", "other rows"])
def test_what_cannot_be_opened_is_named_and_the_catalog_let_go(old: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *given, **more: opened.append(connect(*given, **more)) or opened[-1])
    damage(old, how)
    with pytest.raises(DamagedIndexError, match=str(old)) as raised:
        IndexVersion(old, "2", verify=how in ("a flipped bit", "a lost file"))
    assert "\n" not in str(raised.value)
    assert len(opened) == (how == "other rows")
    for connection in opened:
        with pytest.raises(duckdb.Error, match="closed"):
            connection.execute("SELECT 1")


def test_a_catalog_of_another_index_is_let_go_too(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Catalog] = []

    def record(catalog: Catalog) -> None:
        closed.append(catalog)

    monkeypatch.setattr(Catalog, "close", record)
    with duckdb.connect(str(old / "other.duckdb")) as connection:
        connection.execute("CREATE TABLE other (x INTEGER)")
    (old / "other.duckdb").replace(version_dir(old, "2") / CATALOG)
    with pytest.raises(DamagedIndexError, match=CATALOG):  # it is not the one that the manifest lists
        IndexVersion(old, "2", verify=False)
    manifest = read_manifest(old, "2")
    files = {**manifest.files, CATALOG: file_entry(version_dir(old, "2") / CATALOG)}
    write_record(version_dir(old, "2") / MANIFEST, manifest.model_copy(update={"files": files}))
    with pytest.raises(DamagedIndexError, match="instances"):
        IndexVersion(old, "2", verify=False)
    assert len(closed) == 1
    monkeypatch.undo()
    closed[0].close()


def test_without_verification_what_is_read_is_verified_when_it_is_read(old: Path) -> None:
    damage(old, "a flipped bit")  # of a file that no server reads
    IndexVersion(old, "2", verify=False).close()
    path = version_dir(old, "2") / TOMBSTONES
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedIndexError, match=f"{path}: damaged"):
        IndexVersion(old, "2", verify=False)
