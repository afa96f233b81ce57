"""Files that are whole or not there at all, also after a loss of power; files held alone; lines of JSON."""

from pathlib import Path

from attridex.indexer.files import alone, json_line, replace_file

__all__ = ["alone", "json_line", "write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file: a reader finds what was there before or all of the content, never a part.

    Args:
        path: the file; its directory is made where it is missing.
        content: all of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
