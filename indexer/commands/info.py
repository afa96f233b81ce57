"""What an index holds, for the command `info`, and the command `versions`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attridex.indexer.commands.facts import size_of, summary
from attridex.indexer.commands.options import IndexPath, Json, emit, show_facts
from attridex.indexer.commands.readable import human_fact, human_size

if TYPE_CHECKING:
    from attridex.indexer.files import JsonObject
    from attridex.indexer.index.records import Manifest


def show_info(index: Path, more: Callable[["Manifest"], "JsonObject"], *, as_json: bool) -> None:
    """Show what an index holds and how it was made; `more` gives further facts of its manifest."""
    from attridex.indexer.lifecycle.liveness import current_manifest

    manifest = current_manifest(index)
    facts = {**summary(manifest, index), "bytes": size_of(index), **more(manifest)}
    if as_json:
        emit({**facts, "manifest": manifest.model_dump(mode="json")})
        return
    said = {name: human_size(value) if name == "bytes" else human_fact(value) for name, value in facts.items()}
    show_facts({name.replace("_", " "): value for name, value in said.items()})


def versions(index: IndexPath, as_json: Json = False) -> None:
    """The versions of an index on disk; the current one is marked."""
    from attridex.indexer.index.directory import list_versions, read_current, read_deletes
    from attridex.indexer.lifecycle.liveness import served_manifest

    current, log = read_current(index), read_deletes(index)
    for number in list_versions(index):
        manifest = served_manifest(index, number, log)
        live = manifest.instances - manifest.deleted
        if as_json:
            emit({"version": number, "current": number == current, "instances": live, "created": manifest.created})
        else:
            mark = "*" if number == current else " "
            sys.stdout.write(f"{mark} {number}  {live} instances  {manifest.created}\n")
