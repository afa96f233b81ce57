"""The description of the format is what the files are."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

from attridex.indexer.index.directory import list_versions, read_current, read_manifest, read_sidecar
from attridex.indexer.index.layout import (
    MANIFEST,
    OWN_COLUMNS,
    RESERVED,
    SHARD_FILES,
    VERSION_FILES,
    FileKind,
    instance_columns,
    is_named,
    is_reserved,
    own_columns,
    paths_in,
    self_influence_columns,
    shard_dir,
    shard_name,
    version_dir,
)
from attridex.indexer.index.verify import verify


@pytest.mark.parametrize(("folder", "kinds"), [("shards", SHARD_FILES), ("versions", VERSION_FILES)])
def test_every_file_is_described_and_every_kind_is_there(old: Path, folder: str, kinds: tuple[FileKind, ...]) -> None:
    for directory in sorted((old / folder).iterdir()):
        names = {path.name for path in directory.iterdir()}
        patterns = {kind.name for kind in kinds}
        assert {name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)} == set()
        # Of other BM25 variants, forms and formats, and of columns that were added.
        optional = {"bm25_nonoccurrence.npy", "encodings.parquet", "manifest.copy", "columns.parquet", "columns.copy"}
        optional |= {"bm25_counts.npy", "bm25_lengths.npy", "factors.safetensors"}
        assert {pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in names)} <= optional


def test_files_are_described_once() -> None:
    for kinds in (SHARD_FILES, VERSION_FILES):
        assert len({kind.name for kind in kinds}) == len(kinds)
        assert all(kind.holds and kind.form and kind.when for kind in kinds)


def test_names_of_shards_sort_as_their_ranges() -> None:
    names = [shard_name(start, start + 5) for start in range(0, 1005, 5)]
    assert sorted(names) == names


@pytest.mark.parametrize(
    ("place", "names", "others"),
    [
        ("versions", ["1", "10"], ["0", "01", "1²", "²", "\u0661", "1.bak", "1+2", "1\n"]),
        ("shards", ["0000000000-0000000005", "0000000000-0000000005.3.12"], ["0000000000-000000000²", "0-5", "1.bak"]),
        ("batches", ["1.json", "12.copy"], ["1².json", "1.json.bak", "x.json", ".1.json.7.tmp"]),
    ],
)
def test_what_has_no_name_that_attridex_gives_is_no_part_of_an_index(
    old: Path, place: str, names: list[str], others: list[str]
) -> None:
    assert [is_named(place, name) for name in (*names, *others)] == [True] * len(names) + [False] * len(others)
    before = paths_in(old, place), list_versions(old), read_current(old)
    for name in others:
        (old / place / name).mkdir(parents=True)
        (old / place / name / MANIFEST).touch()
    assert (paths_in(old, place), list_versions(old), read_current(old)) == before
    found = {checked.path for checked in verify(old) if checked.problem}
    assert found == {old / place / name / MANIFEST for name in others if not name.endswith(".tmp")}  # which is being written


def test_directories_are_below_the_index() -> None:
    assert shard_dir(Path("i"), shard_name(0, 7)) == Path("i/shards/0000000000-0000000007")
    assert version_dir(Path("i"), "3") == Path("i/versions/3")


def test_columns_of_an_index_follow_from_its_curvatures_and_corpus(old: Path) -> None:
    manifest = read_manifest(old, "1")
    corpus = dict(manifest.columns[-6:])
    assert instance_columns(manifest.curvatures, corpus) == manifest.columns
    assert own_columns(manifest.columns) == [*RESERVED, *self_influence_columns(manifest.curvatures)]
    assert read_sidecar(old, manifest.shards[0].name).rows == manifest.shards[0].rows


def test_own_names_are_reserved_in_any_case() -> None:
    for name in (*OWN_COLUMNS, "row", "Row", "LOSS", "self_influence", "Self_Influence_anything"):
        assert is_reserved(name)
    assert not any(map(is_reserved, ("genre", "rows", "my_self_influence", "identity")))
