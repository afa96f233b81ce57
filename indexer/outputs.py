"""Which output a label means: names decide, and only where no output is named by a number is an integer an output's number."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

NAMED = 2
"""Number of the first rules of reading records by which names decide."""
WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0*)?", re.ASCII)
"""A whole number as files write it: `3`, and `3.0` where a column has a missing value elsewhere."""

UNNAMED_PAIRS = (["LABEL_0", "LABEL_1"], ["0", "1"])
"""Names of two outputs that have none of their own, between which true and false decide too."""


def output_of(value: Any, names: Sequence[str], rendering: int = NAMED) -> int | None:
    """Number of the output that a label means; None for a label that is none.

    Args:
        value: of the label, as any kind of file gives it: the same label means the same output in all of them.
        names: of the outputs, in their order.
        rendering: number of the rules by which records are read.
    """
    return numbered_output(value, names) if rendering < NAMED else named_output(value, names)


def named_output(value: Any, names: Sequence[str]) -> int | None:
    """An output by its name; by its number only where no name is a number itself."""
    for spelling in spellings(value):
        if spelling in names:
            return names.index(spelling)
    number = truth(value) if list(names) in UNNAMED_PAIRS and truth(value) is not None else whole_number(value)
    if number is None:
        return None
    numbers = [whole_number(name) for name in names]
    if numbers.count(number) == 1:
        return numbers.index(number)
    return number if not any(each is not None for each in numbers) and 0 <= number < len(names) else None


def spellings(value: Any) -> tuple[str, ...]:
    """How the names of outputs may spell a label."""
    if truth(value) is not None:
        said = str(value).strip()
        return str(value), said, said.lower(), said.capitalize()
    return (value, value.strip()) if isinstance(value, str) else ()


def truth(value: Any) -> int | None:
    """1 for true and 0 for false, as Python counts them, or for the text of one; None for anything else."""
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false")):
        return int(str(value).strip().lower() == "true")
    return None


def whole_number(value: Any) -> int | None:
    """The whole number that a value is, or that a text is of; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal):
        return None
    found = WHOLE.fullmatch(str(value).strip() if isinstance(value, str) else plain(value))
    return int(found[1]) if found else None


def plain(value: Any) -> str:
    """A number as text, without an exponent where it is whole."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)


def numbered_output(value: Any, names: Sequence[str]) -> int | None:
    """As indices of rendering 1 read labels: texts by name, then by number, and numbers by number whatever the names are."""
    if isinstance(value, str):
        if value in names:
            return names.index(value)
        number = int(value) if value.strip().isdecimal() else None
        return number if number is not None and number < len(names) else None
    known = not isinstance(value, bool) and isinstance(value, int | float) and value in range(len(names))
    return int(value) if known else None


def numbers_name(names: Sequence[str]) -> bool:
    """Whether some outputs are named by numbers, so that a number is no place among them."""
    return any(whole_number(name) is not None for name in names)


def moved_name(wanted: Sequence[str], own: Sequence[str]) -> str | None:
    """A name that stands at another place in `wanted` than among a model's `own` names.

    Names are alike whatever their case and punctuation. Outputs that the model calls by numbers have no names to keep: those
    may be renamed, but not to the same numbers in another order.
    """
    if numbers_name(own) and set(wanted) != set(own):
        return None
    return misplaced_name({name: at for at, name in enumerate(wanted)}, own)


def misplaced_name(numbers: Mapping[str, int], own: Sequence[str]) -> str | None:
    """A name with another number in `numbers` than its place among a model's `own` names; names are alike as in `moved_name`."""
    alike = likeness if len(set(map(likeness, own))) == len(own) else str
    places = {alike(name): place for place, name in enumerate(own)}
    return next((name for name, number in numbers.items() if places.get(alike(name), number) != number), None)


def likeness(name: str) -> str:
    """A name without case and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
