"""The commands that change which instances and which version of an index are served."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from attridex.indexer.commands.facts import factor_words
from attridex.indexer.commands.options import IndexPath, Json, ModelPlace, emit, say
from attridex.indexer.commands.readable import counted, still_read
from attridex.indexer.remote.named import mended_in_store

Ids = Annotated[str, typer.Option("--ids", help="Ids, comma separated; @FILE reads one a line.", show_default=False)]


def asker() -> str:
    """Who runs the command, for the log of deletes."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def given_ids(text: str) -> list[str]:
    """Ids of an option's value.

    Raises:
        InputError: the file cannot be read, or there is no id.
    """
    from attridex.indexer.errors import InputError

    if text.startswith("@"):
        try:
            lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--ids {text}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None
    else:
        lines = text.split(",")
    ids = [line.strip() for line in lines]
    if not any(ids):
        raise InputError(f"--ids {text}: no id there; give ids with commas between them, or @FILE with one a line")
    return [name for name in ids if name]


def undelete(index: IndexPath, ids: Ids, as_json: Json = False) -> None:
    """Undo the last delete of each id; the log of deletes keeps that, too."""
    from attridex.indexer.lifecycle.deleting import undelete_ids

    told(index, "undeleted", *undelete_ids(index, given_ids(ids), by=asker()), as_json=as_json)


def told(index: Path, what: str, seq: int, instances: int, *, as_json: bool) -> None:
    """Say what a change of the log did.

    Args:
        index: the index directory.
        what: was done.
        seq: entries of the log.
        instances: that it concerned.
        as_json: whether a program reads it.
    """
    if as_json:
        emit({"index": str(index), what: instances, "entries": seq})
    else:
        noted = f"entry {seq}" if instances else "nothing to note"
        say(f"{index}: {counted(instances, 'instance')} {what} ({noted} in the log of deletes)")


def migrate(index: IndexPath) -> None:
    """Make an index of format 2 one of format 3; nothing is signed again."""
    from attridex.indexer.lifecycle.migration import migrate as run

    manifest = run(index)
    say(f"{index}: format {manifest.format}, version {manifest.version}")


def repair(
    index: IndexPath,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="What it was built from, where its corpus lies elsewhere now.", show_default=False),
    ] = None,
    model: ModelPlace = None,
    as_json: Json = False,
) -> None:
    """Mend a damaged index from what is whole, or by signing again.

    Args:
        index: the index directory.
        config: what it was built from, where its corpus lies elsewhere now.
        model: where its model lies now.
        as_json: whether a program reads what is said.
    """
    from attridex.indexer.config import load_config
    from attridex.indexer.renewal.repair import repair as run

    lines = [*mended_in_store(index), *run(index, load_config(config) if config else None, model, show_progress=True)]
    if as_json:
        emit({"index": str(index), "mended": lines})
        return
    for line in lines:
        say(f"mended: {line}")
    say(f"{index}: {'whole again' if lines else 'whole, nothing to mend'}")


def compact(index: IndexPath, as_json: Json = False) -> None:
    """Remove what is deleted from the disk, its text too; older versions leave. It cannot be undone."""
    from attridex.indexer.index.directory import read_manifest
    from attridex.indexer.renewal.compaction import compact as run

    done = run(index)
    if as_json:
        emit({"index": str(index), **done._asdict()})
        return
    say(f"{index}: version {done.version}, {counted(done.removed, 'instance')} removed from the disk")
    if (manifest := read_manifest(index, done.version)).factors_of:
        say(f"{index}: K-FAC's factors are {factor_words(manifest)}")
    if done.held:
        say(f"{index}: {still_read(done.held)}, texts too; `attridex prune {index}` removes what nobody reads any more")


def prune(
    index: IndexPath,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the last versions stay, beside the served one.")] = 1,
    as_json: Json = False,
) -> None:
    """Remove older versions from the disk, but those that are still read."""
    from attridex.indexer.lifecycle.versions import prune as run

    done = run(index, keep)
    if as_json:
        emit({"index": str(index), **done._asdict()})
    else:
        held = f"; {still_read(done.held)}" if done.held else ""
        say(f"{index}: {counted(len(done.removed), 'version')} removed{held}")


def activate(
    index: IndexPath, version: Annotated[str, typer.Argument(help="Its number; `attridex versions` lists them.")]
) -> None:
    """Make a version the current one; what is deleted stays deleted."""
    from attridex.indexer.lifecycle.versions import activate as run

    run(index, version)
    say(f"{index}: version {version} is current")
