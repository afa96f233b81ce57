"""Functions of tensors whose kernels the compiler fuses where a pass is recorded; everywhere else they run as they stand.

Compiling takes seconds, which a recording that is replayed for hours gives back and one pass does not.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from attridex.indexer.errors import first_line

P = ParamSpec("P")
R = TypeVar("R")
BACKEND = "inductor"
"""What of torch compiles."""
LIMIT = 64
"""Kinds of arguments that a function is compiled for: models, types, single rows, whether gradients are wanted."""
log = logging.getLogger("attridex.indexer")
_fusing: ContextVar[bool] = ContextVar("fusing", default=False)


@contextmanager
def fusing() -> Iterator[None]:
    """Let the functions that are `fused` be compiled, in this thread."""
    token = _fusing.set(True)
    try:
        yield
    finally:
        _fusing.reset(token)


class Fused(Generic[P, R]):
    """A function that is compiled while `fusing` is open, for all sizes at once; one that cannot be is left as it is.

    Attributes:
        refused: why it is not compiled; empty as long as nothing was wrong.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        """Of a function of tensors that looks at no values."""
        self._plain, self.refused = function, ""
        self._compiled: Callable[P, R] | None = None
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        """What the function gives."""
        if not _fusing.get() or self.refused:
            return self._plain(*args, **options)
        if self._compiled is None:
            compiled: Any = torch.compile(self._plain, dynamic=True, fullgraph=True, backend=BACKEND)
            self._compiled = compiled
        try:
            # The compiler looks for gradients of what is no leaf, and is warned of it.
            with warnings.catch_warnings(), torch._dynamo.config.patch(recompile_limit=LIMIT):
                warnings.simplefilter("ignore")
                return self._compiled(*args, **options)
        except Exception as error:  # of the compiler, or what it runs: whatever they raise
            self.refused = first_line(error.__cause__ or error)
            log.warning("%s is not compiled (%s)", self._plain.__name__, self.refused)
            return self._plain(*args, **options)
