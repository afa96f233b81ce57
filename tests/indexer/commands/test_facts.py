"""The first facts of an index."""

from pathlib import Path

from attridex.indexer.commands.facts import size_of, summary
from attridex.indexer.index.directory import read_manifest


def test_deleted_instances_are_not_counted_in(old: Path) -> None:
    facts = summary(read_manifest(old, "2"), old)
    assert (facts["instances"], facts["deleted"]) == (41, 1)
    assert facts["neurons"] == "2 layers x 12 units"
    assert "adapter" not in facts


def test_an_adapter_is_said(old: Path) -> None:
    manifest = read_manifest(old, "1")
    model = manifest.config.model.model_copy(update={"adapter": "a"})
    adapted = manifest.model_copy(update={"config": manifest.config.model_copy(update={"model": model})})
    assert summary(adapted, old)["adapter"] == "a"


def test_a_linked_file_counts_once(old: Path, tmp_path: Path) -> None:
    before = size_of(old)
    path = next(old.glob("shards/*/norms.npy"))
    (tmp_path / "old" / "again").hardlink_to(path)
    assert size_of(old) == before
    (tmp_path / "old" / "copy").write_bytes(path.read_bytes())
    assert size_of(old) == before + path.stat().st_size
