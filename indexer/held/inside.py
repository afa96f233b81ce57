"""What stays inside a directory once links are followed: an index, or a model, may have been made by somebody else."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from attridex.indexer.errors import InputError


def is_inside(path: Path, roots: Sequence[Path]) -> bool:
    """Whether a path lies in one of some directories, which are resolved already, or would if it were there."""
    found = path.resolve()
    return any(found.is_relative_to(root) for root in roots)


def check_tree(directory: Path, roots: Sequence[Path]) -> None:
    """Refuse a directory that holds what is no file: a link out of all roots, a pipe that would be waited for, a device.

    Args:
        directory: is walked without following links.
        roots: directories, resolved.

    Raises:
        InputError: it holds such a thing, or cannot be read.
    """
    for entry in entries(directory):
        if entry.is_symlink():
            if not is_inside(Path(entry.path), roots):
                out = f"a link to {os.readlink(entry.path)}, out of {', '.join(map(str, roots))}"
                raise InputError(f"{entry.path}: {out}; put the file itself there")
        elif not (entry.is_dir() or entry.is_file()):
            raise InputError(f"{entry.path}: neither a file nor a directory")


def entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a directory, links not followed; what is removed meanwhile is left out.

    Raises:
        InputError: a directory cannot be read.
    """
    ahead = [str(directory)]
    while ahead:
        place = ahead.pop()
        try:
            with os.scandir(place) as found:
                listed = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{place}: cannot be read: {error.strerror}") from None
        yield from listed
        ahead += [entry.path for entry in listed if entry.is_dir(follow_symlinks=False)]


def plain_name(name: str) -> str:
    """A name of a file in a directory, as a record may have it.

    Raises:
        ValueError: it leads elsewhere.
    """
    if not name or name in (".", "..") or "/" in name or not name.isprintable():
        raise ValueError("a file's name without a path is needed")
    return name


def plain_path(path: str) -> str:
    """A path below a directory, as a record may have it.

    Raises:
        ValueError: it leads elsewhere.
    """
    for name in path.split("/"):
        plain_name(name)
    return path
