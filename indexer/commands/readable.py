"""Figures as people read them: sizes, times and lists with their units."""

from collections.abc import Sequence
from typing import Any

DIGITS = {"B": 0, "KiB": 1, "MiB": 1, "GiB": 2}


def human_size(size: int) -> str:
    """Bytes with their unit."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.{DIGITS[unit]}f} {unit}"
        value /= 1024
    return f"{value:,.2f} TiB"


def human_time(seconds: float) -> str:
    """Seconds with their unit."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 100 * 3600 else f"{seconds / 86400:,.1f} days"


def human_fact(value: Any) -> str:
    """A fact as text."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def counted(number: int, one: str) -> str:
    """So many of something, by the word for one."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def still_read(versions: Sequence[str]) -> str:
    """Which versions stay since somebody reads them."""
    return f"version{'' if len(versions) == 1 else 's'} {', '.join(versions)} {'is' if len(versions) == 1 else 'are'} still read"
