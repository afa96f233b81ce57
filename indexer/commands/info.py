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
    from attridex.indexer.lifecycle.staleness import stale_now

    manifest = current_manifest(index)
    stale = stale_now(index, manifest)
    told = {"stale": list(stale)} if stale else {}
    facts = {**summary(manifest, index), "bytes": size_of(index), **told, **more(manifest)}
    if as_json:
        emit({**facts, "manifest": manifest.model_dump(mode="json")})
        return
    said = {name: human_size(value) if name == "bytes" else human_fact(value) for name, value in facts.items()}
    show_facts({name.replace("_", " "): value for name, value in said.items()})


def versions(index: IndexPath, as_json: Json = False) -> None:
    """The versions of an index on disk: * is the served one; what is live, deleted and added, and whether one is being read."""
    from attridex.indexer.errors import DamageError
    from attridex.indexer.index.directory import list_versions, read_current, read_deletes
    from attridex.indexer.lifecycle.liveness import served_manifest

    current, log, damaged = read_current(index), read_deletes(index), 0
    for number in list_versions(index):
        try:
            facts = version_facts(served_manifest(index, number, log), index)
        except DamageError as error:
            facts, damaged = {"version": number, "problem": str(error)}, damaged + 1
        if as_json:
            emit({**facts, "current": number == current})
        else:
            sys.stdout.write(f"{'*' if number == current else ' '} {version_line(facts)}\n")
    if damaged:
        raise DamageError(f"{index}: {damaged} versions cannot be read; `attridex repair {index}` mends them")


def version_facts(manifest: "Manifest", index: Path) -> "JsonObject":
    """What `versions` says of one version under the log that counts."""
    from attridex.indexer.lifecycle.versions import is_read

    return {
        "version": manifest.number,
        "instances": manifest.instances - manifest.deleted,
        "deleted": manifest.deleted,
        "added": manifest.added,
        "created": manifest.created,
        "read": is_read(index, manifest.number),
    }


def version_line(facts: "JsonObject") -> str:
    """The same for people."""
    if "problem" in facts:
        return f"{facts['version']}  {facts['problem']}"
    deleted = f", {facts['deleted']} deleted" if facts["deleted"] else ""
    added = f", with {', '.join(facts['added'])}" if facts["added"] else ""
    read = ", being read" if facts["read"] else ""
    return f"{facts['version']}  {facts['instances']} instances{deleted}{added}  {facts['created']}{read}"
