"""The commands `snapshot` and `restore`: an index as one file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attridex.indexer.commands.options import IndexPath, Json, emit, say
from attridex.indexer.commands.readable import human_size

if TYPE_CHECKING:
    from attridex.indexer.lifecycle.archive import Snapshot

SnapshotPath = Annotated[Path, typer.Argument(help="Snapshot file.", show_default=False)]


def snapshot(
    index: IndexPath,
    file: SnapshotPath,
    version: Annotated[
        str | None, typer.Option("--version", help="The version that is in it, by its number; else the served one.")
    ] = None,
    every: Annotated[bool, typer.Option("--all-versions", help="All other versions are in it, too.")] = False,
    as_json: Json = False,
) -> None:
    """Write an index into one file with a checksum for everything in it; servers read on, writers are told to wait."""
    from attridex.indexer.lifecycle.snapshots import snapshot as run

    show(run(index, file, version, every=every, show_progress=True), file, f"snapshot of {index}", as_json=as_json)


def restore(file: SnapshotPath, index: IndexPath, as_json: Json = False) -> None:
    """Make an index of a snapshot; it appears once all of it is known to be what was written."""
    from attridex.indexer.lifecycle.snapshots import restore as run

    show(run(file, index, show_progress=True), index, f"restored from {file}", as_json=as_json)


def show(found: "Snapshot", made: Path, what: str, *, as_json: bool) -> None:
    """Say what was made.

    Args:
        found: the list of the snapshot.
        made: the path that is there now.
        what: it is, in words.
        as_json: whether a program reads it.
    """
    if as_json:
        kept = {"version": found.version, "versions": found.versions, "created": found.created}
        emit({"path": str(made), **kept, "files": len(found.files), "bytes": found.bytes})
        return
    others = [number for number in found.versions if number != found.version]
    also = f" (also {', '.join(others)})" if others else ""
    say(f"{made}: {what}, version {found.version}{also}, {len(found.files)} files, {human_size(found.bytes)}")
