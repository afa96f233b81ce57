"""A recorder for a CPU."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


def columns(given: Any) -> Iterator[Tensor]:
    """The tensors of what a pass gives."""
    if isinstance(given, Tensor):
        yield given
    elif is_dataclass(given):
        for field in fields(given):
            yield from columns(getattr(given, field.name))


def again(work: Callable[[], T]) -> tuple[Callable[[], None], T]:
    """The work is done again, and what it gives put where it was at first, as a GPU does."""
    first = work()

    def run() -> None:
        for old, new in zip(columns(first), columns(work()), strict=True):
            old.copy_(new)

    return run, first
