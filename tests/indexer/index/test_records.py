"""Sealed records: read as written, refused when a bit differs, typed without changing a byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attridex.indexer.config import Config
from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.layout import MANIFEST, SIDECAR, Column, version_dir
from attridex.indexer.index.records import (
    CorpusFacts,
    LeftOut,
    Manifest,
    Sidecar,
    explicit,
    file_entries,
    parse_record,
    read_sealed,
    seal,
    unseal,
    write_record,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
JSON = st.dictionaries(st.text(max_size=5), SCALARS | st.lists(SCALARS, max_size=3), max_size=4)


@given(JSON)
def test_what_is_sealed_comes_back(data: dict[str, Any]) -> None:
    data.pop("seal", None)
    assert unseal(seal(data), Path("x")) == data


@given(st.data())
def test_a_flipped_bit_breaks_the_seal(data: st.DataObject) -> None:
    content = bytearray(seal({"a": [1, 2.5, None], "b": {"c": "text"}}))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamageError, match="seal"):
        unseal(bytes(content), Path("x"))


def test_a_missing_record_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match="missing"):
        read_sealed(tmp_path / "none.json")


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_old_manifest_read_and_written_again_is_the_same_bytes(old: Path, version: str, tmp_path: Path) -> None:
    path = version_dir(old, version) / MANIFEST
    manifest = parse_record(Manifest, read_sealed(path), path)
    assert isinstance(manifest.config, Config)
    assert isinstance(manifest.corpus, CorpusFacts)
    assert all(isinstance(column, Column) for column in manifest.columns)
    write_record(tmp_path / MANIFEST, manifest)
    assert (tmp_path / MANIFEST).read_bytes() == path.read_bytes()


def test_a_sidecar_read_and_written_again_is_the_same_bytes(old: Path, tmp_path: Path) -> None:
    for path in old.glob(f"shards/*/{SIDECAR}"):
        data = {**read_sealed(path), "bad": [{"id": "t9", "position": 9, "reason": "loss not finite"}]}
        sidecar = parse_record(Sidecar, data, path)
        assert sidecar.bad == [LeftOut(id="t9", position=9, reason="loss not finite")]
        assert seal(sidecar.model_dump(mode="json")) == seal(data)


def test_settings_that_an_older_manifest_lacks_are_not_written_into_it(old: Path) -> None:
    path = version_dir(old, "1") / MANIFEST
    data = read_sealed(path)
    del data["config"]["neurons"]["rule"], data["config"]["training"], data["config"]["index"]["approximate"]
    manifest = parse_record(Manifest, data, path)
    assert manifest.config.neurons.rule == "riemann"
    assert seal(manifest.model_dump(mode="json")) == seal(data)


def test_the_configuration_has_the_order_of_the_file_wherever_it_is_shown(old: Path) -> None:
    data = read_sealed(version_dir(old, "1") / MANIFEST)
    shown = parse_record(Manifest, data, old).model_dump(mode="json")
    for part in ("config", "corpus"):
        assert json.dumps(shown[part]) == json.dumps(data[part])


def test_an_explicit_configuration_names_every_setting() -> None:
    brief = Config.model_validate({"model": {"path": "m"}, "corpus": {"files": ["f"], "segments": ["{x}"]}})
    assert brief.model_dump(exclude_unset=True) != brief.model_dump()
    assert explicit(brief) == brief
    assert explicit(brief).model_dump(exclude_unset=True) == brief.model_dump()


@pytest.mark.parametrize("place", [(), ("config",), ("config", "neurons"), ("corpus",), ("model",), ("blocks", 0)])
def test_unknown_keys_are_refused_and_named(old: Path, place: tuple[Any, ...]) -> None:
    data: Any = read_sealed(version_dir(old, "1") / MANIFEST)
    inner = data
    for key in place:
        inner = inner[key]
    inner["newer"] = 1
    with pytest.raises(InputError, match="newer: Extra inputs"):
        parse_record(Manifest, data, old)


def test_entries_are_of_all_files_of_a_directory(old: Path) -> None:
    data = read_sealed(version_dir(old, "1") / MANIFEST)
    found = {name: entry.model_dump() for name, entry in file_entries(version_dir(old, "1")).items() if name != MANIFEST}
    assert found == data["files"]
