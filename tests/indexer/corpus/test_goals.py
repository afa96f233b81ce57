"""Goals: numbers, or which labels hold, read from whatever a file gives, and shown as they are read again."""

from typing import Any

import pytest

from attridex.indexer.corpus.goals import GOALS, read_goals
from attridex.indexer.errors import InputError

NAMES = ["joy", "fear", "3"]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (["fear"], (0, 1, 0)), (["3", "joy"], (1, 0, 1)), ([], (0, 0, 0)), ("fear", (0, 1, 0)), ('["joy", "fear"]', (1, 1, 0)),
        ([3], (0, 0, 1)), ([1.0, 0.0, 1.0], (1, 0, 1)), ([1, 0, 1], (1, 0, 1)),
        ([True, False, True], (1, 0, 1)),
        ([0.25, 0.5, 1], (0.25, 0.5, 1)), ("[0, 1, 1]", (0, 1, 1)),
    ],
)  # fmt: skip
def test_labels_are_names_or_numbers_of_outputs_or_0_or_1_for_each(value: Any, wanted: tuple[float, ...]) -> None:
    found = read_goals("multi-label", value, NAMES, "x:1")
    assert found == tuple(map(float, wanted))
    assert read_goals("multi-label", GOALS["multi-label"][1](found, NAMES), NAMES, "x:1") == found


@pytest.mark.parametrize("value", [["anger"], ["joy", "joy"], [7], [0], [0.5], "anger", {"joy": 1}, [1.5, 0, 0], [None], 2.5])
def test_a_label_that_no_output_has_is_named_with_its_place(value: Any) -> None:
    with pytest.raises(InputError, match=r"^x:1: label .* a list of the labels that hold is needed \(joy, fear, 3\)"):
        read_goals("multi-label", value, NAMES, "x:1")


def test_a_number_is_an_output_s_where_no_output_is_named_by_a_number() -> None:
    assert read_goals("multi-label", [0], ["joy", "fear", "love"], "x:1") == (1, 0, 0)


@pytest.mark.parametrize("value", [True, [True], ["true"]])
def test_true_alone_is_no_label_of_several(value: Any) -> None:
    with pytest.raises(InputError, match="a list of the labels that hold is needed"):
        read_goals("multi-label", value, ["LABEL_0", "LABEL_1"], "x:1")


@pytest.mark.parametrize("value", [[0, 1], [1, 0]])
def test_a_list_that_could_mean_two_things_is_refused(value: list[int]) -> None:
    with pytest.raises(InputError, match="may mean two things"):
        read_goals("multi-label", value, ["no", "yes"], "x:1")
    assert read_goals("multi-label", list(map(float, value)), ["no", "yes"], "x:1") == tuple(value)


@pytest.mark.parametrize(("value", "text"), [(0.75, "0.75"), (-2, "-2"), ("1e3", "1000"), ("3.0", "3"), ([2.5], "2.5")])
def test_a_regression_s_label_is_a_number_or_its_text(value: Any, text: str) -> None:
    found = read_goals("regression", value, ["score"], "x:1")
    assert GOALS["regression"][1](found, ["score"]) == text
    assert read_goals("regression", text, ["score"], "x:1") == found


@pytest.mark.parametrize("value", [True, "high", float("nan"), "inf", [1, 2], [], {}, "[1, 2]"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="a number is needed"):
        read_goals("regression", value, ["score"], "x:1")
    with pytest.raises(InputError, match="a list of 3 numbers is needed"):
        read_goals("regression", value, NAMES, "x:1")
