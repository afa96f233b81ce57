"""Places on the server's disk: its log names them, its clients are told by other names."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

_NAMES: dict[str, str] = {str(Path(tempfile.gettempdir()).resolve()): "TMPDIR"}
"""What clients are told in the place of a path."""


def hide(places: Mapping[Path, str]) -> None:
    """Tell clients these names in the place of these paths from now on."""
    _NAMES.update({form: name for path, name in places.items() for form in forms(path)})


def show(places: Mapping[Path, str]) -> None:
    """Take that back."""
    for path in places:
        for form in forms(path):
            _NAMES.pop(form, None)


def forms(path: Path) -> set[str]:
    """How messages may write a path: as it was given too, unless that is a single name, which may be any word."""
    try:
        return {str(path.absolute()), str(path.resolve())} | ({str(path)} if len(path.parts) > 1 else set())
    except ValueError:  # nothing lies there: no system takes such a path
        return set()


def without_places(text: str) -> str:
    """A text with names in the place of paths that are hidden; of two that begin alike the longer counts."""
    for path in sorted(_NAMES, key=len, reverse=True):
        if path.startswith("/"):
            text = text.replace(path, _NAMES[path])
        elif path in text:  # a relative one is no end of another path
            text = _NAMES[path].join(re.split(rf"(?<![\w./-]){re.escape(path)}", text))
    return text
