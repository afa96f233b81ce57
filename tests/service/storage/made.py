"""Indices as an attacker makes them: any change, and every seal and hash put right again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attridex.indexer.index.records import file_entry, seal

VERSION = "2"
Change = Callable[[dict[str, Any]], Any]


def resealed(index: Path, change: Change = lambda _: None) -> None:
    """Change the manifest, and have it list every file as it is now."""
    path = index / "versions" / VERSION / "manifest.json"
    data = unsealed(path)
    for shard in data["shards"]:
        sidecar = index / "shards" / shard["name"] / "shard.json"
        said = unsealed(sidecar)
        said["files"] = {name: listed(sidecar.with_name(name)) for name in said["files"]}
        sidecar.write_bytes(seal(said))
        shard["sha256"] = hashlib.sha256(sidecar.read_bytes()).hexdigest()
    data["files"] = {name: listed(path.with_name(name)) for name in data["files"]}
    change(data)
    path.write_bytes(seal(data))
    (index / "CURRENT").write_text(f"{VERSION} {hashlib.sha256(path.read_bytes()).hexdigest()}\n")


def unsealed(path: Path) -> dict[str, Any]:
    """A record without its seal."""
    data = json.loads(path.read_bytes())
    del data["seal"]
    return dict(data)


def listed(path: Path) -> dict[str, Any]:
    """A file as a record lists it."""
    return {key: value for key, value in file_entry(path).model_dump().items() if value != ""}
