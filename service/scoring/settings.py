"""Settings of methods: read from text or numbers by their kind, checked against their bounds, refused where none has them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from attridex.indexer.errors import nearest
from attridex.service.errors import InvalidArgumentError
from attridex.v1.answers import Setting

Value = str | int | float


@dataclass(frozen=True)
class Values:
    """A method's settings by name: those given, and the defaults of the others."""

    by_name: Mapping[str, Value] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """A number."""
        return float(self.by_name[name])

    def count(self, name: str) -> int:
        """A whole number."""
        return int(self.by_name[name])

    def text(self, name: str) -> str:
        """A text; empty where it is neither given nor has a default."""
        return str(self.by_name.get(name, ""))

    def has(self, name: str) -> bool:
        """Whether it is given, or has a default."""
        return name in self.by_name

    def having(self, **more: Value) -> "Values":
        """These and others; what is here stays where both have it."""
        return Values({**more, **self.by_name})


def read_settings(method: str, given: Mapping[str, Value], known: Mapping[str, Iterable[Setting]]) -> Values:
    """The settings of a method.

    Args:
        method: its name.
        given: what was asked for, as text or as a number.
        known: the settings of every method, by its name.

    Raises:
        InvalidArgumentError: a setting that the method does not have, or a value that it does not take.
    """
    own = {setting.name: setting for setting in known[method]}
    for name in given:
        if name not in own:
            raise InvalidArgumentError(f"{name}: {lacking(method, name, known)}", name)
    read = {name: read_setting(own[name], value) for name, value in given.items()}
    defaults = {name: read_setting(setting, setting.default) for name, setting in own.items() if setting.default}
    return Values({**defaults, **read})


def lacking(method: str, name: str, known: Mapping[str, Iterable[Setting]]) -> str:
    """Why a method has no such setting: others have it, or none has."""
    having = [other for other, settings in known.items() if any(setting.name == name for setting in settings)]
    if having:
        return f"method '{method}' has none; {' and '.join(having)} do"
    names = dict.fromkeys(setting.name for settings in known.values() for setting in settings)
    return f"no method has such a setting; {nearest(name, names)}"


def read_setting(setting: Setting, value: Value) -> Value:
    """A value in its setting's kind.

    Raises:
        InvalidArgumentError: it is of another kind, or out of bounds.
    """
    if setting.kind == "text":
        if setting.choices and value not in setting.choices:
            raise InvalidArgumentError(f"{setting.name}: unknown '{value}'; {nearest(str(value), setting.choices)}", setting.name)
        return str(value)
    number = as_number(setting, value)
    if (isinstance(number, float) and not math.isfinite(number)) or not in_bounds(setting, number):
        raise InvalidArgumentError(f"{setting.name} = {number}: must be {bounds(setting)}", setting.name)
    return number


def as_number(setting: Setting, value: Value) -> int | float:
    """A number or a count.

    Raises:
        InvalidArgumentError: it is none.
    """
    whole = setting.kind == "count"
    try:
        return int(value) if whole else float(value)
    except ValueError:
        needed = "a whole number" if whole else "a number"
        raise InvalidArgumentError(f"{setting.name} = {value!r}: {needed} is needed", setting.name) from None


def in_bounds(setting: Setting, number: float) -> bool:
    """Whether a number is within its setting's bounds."""
    inside = (setting.least is None or number >= setting.least) and (setting.most is None or number <= setting.most)
    return inside and (setting.above is None or number > setting.above)


def bounds(setting: Setting) -> str:
    """A setting's bounds in words."""
    if setting.least is not None and setting.most is not None:
        return f"{setting.least:g} to {setting.most:g}"
    bounds = {"above {:g}": setting.above, "{:g} at least": setting.least, "{:g} at most": setting.most}
    words = " and ".join(text.format(bound) for text, bound in bounds.items() if bound is not None)
    return "a positive number" if words == "above 0" else words or "a finite number"
