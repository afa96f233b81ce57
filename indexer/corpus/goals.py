"""Goals: what a label wants of every output, where not one of them is the right one: numbers, or which labels hold."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from attridex.indexer.errors import InputError
from attridex.indexer.forms.columns import from_json
from attridex.indexer.outputs import output_of
from attridex.indexer.task_kinds import Task

Goals = tuple[float, ...]
ReadGoals = Callable[[Any, Sequence[str]], Goals]
"""Goals from a label's value and the names of the outputs; ValueError says what would be right."""
ShowGoals = Callable[[Sequence[float], Sequence[str]], str]
"""Goals as tables show them, and as they are read again."""


def listed(value: Any) -> Any:
    """A value, or what the JSON list in a text holds (CSV, the index's own table)."""
    return from_json(value) if isinstance(value, str) and value.strip().startswith("[") else value


def as_number(value: Any) -> float | None:
    """A finite number, or the text of one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def numbers_of(value: Any, names: Sequence[str]) -> Goals:
    """A regression's goals: one number for each output."""
    found = listed(value)
    numbers = [as_number(each) for each in (found if isinstance(found, list | tuple) else [found])]
    known = tuple(number for number in numbers if number is not None)
    if len(known) != len(numbers) or len(known) != len(names):
        raise ValueError("a number is needed" if len(names) == 1 else f"a list of {len(names)} numbers is needed")
    return known


def labels_of(value: Any, names: Sequence[str]) -> Goals:
    """Which labels hold: a list of names, of outputs' numbers, or of 0 or 1 for every output."""
    found = listed(value)
    items = list(found) if isinstance(found, list | tuple) else [found]
    every, chosen = shares(found, len(names)), chosen_labels(items, names)
    if every is None and chosen is None:
        raise ValueError(f"a list of the labels that hold is needed ({', '.join(names)}), or of 0.0 or 1.0 for each")
    if every is not None and chosen is not None and every != chosen and all(type(item) is int for item in items):
        raise ValueError(f"this may mean two things with {len(names)} outputs; write names, or 0.0 and 1.0")
    return every if every is not None else chosen or ()


def shares(found: Any, count: int) -> Goals | None:
    """A list with a number from 0 to 1 for every output; None for anything else."""
    if not isinstance(found, list | tuple) or len(found) != count:
        return None
    numbers = [None if isinstance(item, str) else float(item) if isinstance(item, bool) else as_number(item) for item in found]
    known = tuple(number for number in numbers if number is not None and 0 <= number <= 1)
    return known if len(known) == count else None


def chosen_labels(items: Sequence[Any], names: Sequence[str]) -> Goals | None:
    """A list of labels, each once, by name or number (a text is a name, true is none); None for anything else."""
    chosen = [None if isinstance(item, str | bool) and str(item) not in names else output_of(item, names) for item in items]
    if None in chosen or len(set(chosen)) != len(chosen):
        return None
    return tuple(float(number in chosen) for number in range(len(names)))


def shown_numbers(goals: Sequence[float], _names: Sequence[str]) -> str:
    """A number, or the JSON list of several."""
    plain = [int(goal) if float(goal).is_integer() else float(goal) for goal in goals]
    return json.dumps(plain if len(plain) > 1 else plain[0])


def shown_labels(goals: Sequence[float], names: Sequence[str]) -> str:
    """The JSON list of the labels that hold; of shares, where goals are neither 0 nor 1."""
    if any(goal not in (0, 1) for goal in goals):
        return json.dumps([float(goal) for goal in goals])
    return json.dumps([name for name, goal in zip(names, goals, strict=True) if goal], ensure_ascii=False)


GOALS: Mapping[Task, tuple[ReadGoals, ShowGoals]] = {
    "regression": (numbers_of, shown_numbers),
    "multi-label": (labels_of, shown_labels),
}
"""How goals are read and shown, for the tasks that have them."""


def read_goals(task: Task, value: Any, names: Sequence[str], where: str) -> Goals:
    """The goals of a record's label; none where it has no label.

    Args:
        task: one that has goals.
        value: of the label's column.
        names: of the model's outputs.
        where: names the record in errors.

    Raises:
        InputError: the label is of another kind, or is for another number of outputs.
    """
    if value is None:
        return ()
    try:
        return GOALS[task][0](value, names)
    except ValueError as error:
        raise InputError(f"{where}: label {value!r}: {error}") from None
