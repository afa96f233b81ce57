"""Tells of each request how it ended, for unary calls and for those that a stream carries."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from attridex.service.calls.status import code_of
from attridex.service.operations.witness import RequestFacts, Witness
from attridex.v1.answers import Info, Timings
from attridex.v1.requests import METHODS

KNOWN = {*METHODS, "integrated-gradients", "activation-gradient", "dcns", "activation", "attribution"}
"""Methods that are told of a request that failed: what clients make up is not, since every name is kept."""


@dataclass
class Told:
    """What is known of a request while it is answered."""

    index: str = ""
    method: str = ""
    timings: Timings | None = None

    def asked(self, index: str, request: Any) -> None:
        """It is about an index that is there, and could be read."""
        self.index = index
        scoring = getattr(request, "scoring", None)
        named = getattr(scoring or request, "method", "") or getattr(request, "similarity", "")
        self.method = named if named in KNOWN else ""

    def answered(self, answer: Any) -> None:
        """It was answered."""
        info = getattr(answer, "info", None)
        if isinstance(info, Info):
            self.method, self.timings = info.method, info.timings


@contextmanager
def observed(witness: Witness, rpc: str, *, streamed: bool = False) -> Iterator[Told]:
    """Answer a request in the block; what it raises is told, and passes on.

    Args:
        witness: is told.
        rpc: name of the method.
        streamed: whether a stream carried it.
    """
    told, began, code = Told(), time.perf_counter(), "OK"
    try:
        yield told
    except GeneratorExit:  # the caller left the rest of the answer
        code = "CANCELLED"
        raise
    except Exception as error:
        code = code_of(error)
        raise
    finally:
        seconds = time.perf_counter() - began
        witness.request(RequestFacts(rpc, told.index, told.method, code, seconds, told.timings, streamed))
