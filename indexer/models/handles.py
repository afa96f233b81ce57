"""Hooks' handles, held by a context manager that always removes them, and what hooks call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.utils.hooks import RemovableHandle

OnInput = Callable[[str, Tensor], Tensor]
"""on_input(name of a layer, its input) -> what is kept of it until the backward pass."""
OnGradient = Callable[[str, Tensor, Tensor], None]
"""on_gradient(name of a layer, what was kept of its input, the gradient of its output)."""


@contextmanager
def removing(handles: list[RemovableHandle]) -> Iterator[None]:
    """Remove the handles when the block ends, however it ends."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
