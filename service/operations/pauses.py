"""Python's garbage collector stops every thread of a process while it looks at all objects that it knows."""

import gc


def settle() -> None:
    """Let the collector never look again at what there is now.

    With torch and transformers loaded there are half a million objects, and a look takes a quarter of a second, in which no
    deadline is checked. What is let go later is freed as ever, unless it refers to itself.
    """
    gc.collect()
    gc.freeze()
