"""Settings are read by their kind, held to their bounds, and refused in words where a method has none such."""

from typing import Any

import pytest

from attridex.service.errors import InvalidArgumentError
from attridex.service.scoring.settings import Values, bounds, read_setting, read_settings
from attridex.v1.answers import Setting

DAMPING = Setting("damping", "", "number", "0.5", above=0)
DEPTH = Setting("depth", "", "count", "", 0, 100)
KIND = Setting("kind", "", "text", "", choices=("left", "right"))
FREE = Setting("free", "", "text")
KNOWN = {"one": (DAMPING, DEPTH), "two": (DAMPING, KIND), "three": ()}


@pytest.mark.parametrize(
    ("setting", "given", "read"),
    [(DAMPING, "1e4", 1e4), (DAMPING, 2, 2.0), (DEPTH, "7", 7), (DEPTH, 0, 0), (KIND, "left", "left"), (FREE, "any", "any")],
)
def test_a_value_is_read_from_text_or_a_number(setting: Setting, given: Any, read: Any) -> None:
    found = read_setting(setting, given)
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    ("setting", "given", "said"),
    [
        (DAMPING, -1.0, "damping = -1.0: must be a positive number"),
        (DAMPING, 0.0, "damping = 0.0: must be a positive number"),
        (DAMPING, "nan", "damping = nan: must be a positive number"),
        (DAMPING, "much", "damping = 'much': a number is needed"),
        (DEPTH, "1.5", "depth = '1.5': a whole number is needed"),
        (DEPTH, 101, "depth = 101: must be 0 to 100"),
        (KIND, "lft", "kind: unknown 'lft'; did you mean 'left'?"),
    ],
)
def test_a_value_that_is_none_is_refused(setting: Setting, given: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        read_setting(setting, given)
    assert (str(raised.value), raised.value.field) == (said, setting.name)


def test_defaults_stand_in_for_what_is_not_given() -> None:
    values = read_settings("one", {"depth": "3"}, KNOWN)
    assert (values.number("damping"), values.count("depth"), values.text("kind"), values.has("kind")) == (0.5, 3, "", False)
    assert values.having(depth=9, more="x") == Values({"depth": 3, "damping": 0.5, "more": "x"})


@pytest.mark.parametrize(
    ("method", "name", "said"),
    [
        ("three", "damping", "damping: method 'three' has none; one and two do"),
        ("two", "depth", "depth: method 'two' has none; one do"),
        ("one", "dept", "dept: no method has such a setting; did you mean 'depth'?"),
    ],
)
def test_a_setting_that_a_method_does_not_have_is_refused(method: str, name: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        read_settings(method, {name: "1"}, KNOWN)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("bounds_", "words"),
    [
        ({"above": 0}, "a positive number"),
        ({"above": 1, "most": 2}, "above 1 and 2 at most"),
        ({"least": 0}, "0 at least"),
        ({"least": 0, "most": 2}, "0 to 2"),
        ({"most": 2}, "2 at most"),
        ({}, "a finite number"),
    ],
)
def test_bounds_are_said_in_words(bounds_: dict[str, Any], words: str) -> None:
    assert bounds(Setting("x", "", "number", "", **bounds_)) == words
