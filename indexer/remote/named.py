"""Directories that stand for a URL, and where they lie: what people and programs are told of them names the URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attridex.indexer.errors import AttridexError

_URLS: dict[str, str] = {}
_MENDED: dict[str, list[str]] = {}
CACHE = "ATTRIDEX_CACHE"
"""Environment variable that names where indices in object storage are kept on this machine."""


def with_urls(text: str) -> str:
    """A text with URLs in the place of the directories that stand for them."""
    for directory, url in _URLS.items():
        text = text.replace(directory, url)
    return text


def mended_in_store(directory: Path) -> list[str]:
    """What of the URL that a directory stands for was found damaged, and is written again, a line each; add to it."""
    return _MENDED.get(str(directory), [])


@contextmanager
def named(directory: Path, url: str) -> Iterator[None]:
    """A directory stands for a URL in the block, also in what goes wrong there."""
    _URLS[str(directory)], _MENDED[str(directory)] = url, []
    try:
        yield
    except AttridexError as error:
        error.args = (with_urls(str(error)), *error.args[1:])
        raise
    finally:
        del _URLS[str(directory)], _MENDED[str(directory)]
