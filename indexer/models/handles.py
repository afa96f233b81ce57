"""Hooks' handles: held by a context manager that always removes them."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.hooks import RemovableHandle


@contextmanager
def removing(handles: list[RemovableHandle]) -> Iterator[None]:
    """Remove the handles when the block ends, however it ends."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
