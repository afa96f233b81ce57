"""Python's garbage collector stops every thread of a process while it looks at all objects that it knows."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = 10_000, 10, 50
"""New objects after which the youngest are looked at; how often, until the next older are; and how often those, until all are. An
answer of many thousand hits is a million objects, at all of which a look takes a tenth of a second; so it is rarely taken."""


@contextmanager
def settled() -> Iterator[None]:
    """In the block the collector never looks again at what there was before it, and rarely at all that there is.

    With torch and transformers loaded there are half a million objects, and a look takes a quarter of a second, in which no
    deadline is checked. What is let go meanwhile is freed as ever, unless it refers to itself; that is freed afterwards.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
