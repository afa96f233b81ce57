"""Figures as people read them: sizes, times and lists with their units."""

from typing import Any


def human_size(size: int) -> str:
    """Bytes with their unit."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


def human_time(seconds: float) -> str:
    """Seconds with their unit."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def human_fact(value: Any) -> str:
    """A fact as text."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
