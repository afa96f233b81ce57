"""Python's garbage collector stops every thread of a process while it looks at all objects that it knows."""

import gc

THRESHOLDS = 10_000, 10, 50
"""New objects after which the youngest are looked at; how often, until the next older are; and how often those, until all are. An
answer of many thousand hits is a million objects, at all of which a look takes a tenth of a second; so it is rarely taken."""


def settle() -> None:
    """Let the collector never look again at what there is now, and rarely at all that there will be.

    With torch and transformers loaded there are half a million objects, and a look takes a quarter of a second, in which no
    deadline is checked. What is let go later is freed as ever, unless it refers to itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
