"""Places on the server's disk: its log names them, its clients are told by other names."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

_NAMES: dict[str, str] = {str(Path(tempfile.gettempdir()).resolve()): "TMPDIR"}
"""What clients are told in the place of a path."""


def hide(places: Mapping[Path, str]) -> None:
    """Tell clients these names in the place of these paths from now on."""
    _NAMES.update({str(form): name for path, name in places.items() for form in (path.absolute(), path.resolve())})


def show(places: Mapping[Path, str]) -> None:
    """Take that back."""
    for path in places:
        for form in (path.absolute(), path.resolve()):
            _NAMES.pop(str(form), None)


def without_places(text: str) -> str:
    """A text with names in the place of paths that are hidden; of two that begin alike the longer counts."""
    for path in sorted(_NAMES, key=len, reverse=True):
        text = text.replace(path, _NAMES[path])
    return text
