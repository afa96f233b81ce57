"""Files that are whole or not there at all, also after a loss of power."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file: a reader finds what was there before or all of the content, never a part.

    Args:
        path: the file; its directory is made where it is missing.
        content: all of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
