"""Places on the server's disk or in its object storage: its log names them, its clients are told by other names."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

_NAMES: dict[str, str] = {str(Path(tempfile.gettempdir()).resolve()): "TMPDIR"}
"""What clients are told in the place of a path."""

Places = Mapping[Path | str, str]
"""Names by the paths and URLs that they stand for."""


def hide(places: Places) -> None:
    """Tell clients these names in the place of these paths from now on."""
    _NAMES.update({form: name for path, name in places.items() for form in forms(path)})


def show(places: Places) -> None:
    """Take that back."""
    for path in places:
        for form in forms(path):
            _NAMES.pop(form, None)


def forms(path: Path | str) -> set[str]:
    """How messages may write a path: as it was given too, unless that is a single name, which may be any word; a URL as it is."""
    if isinstance(path, str):
        return {path}
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
