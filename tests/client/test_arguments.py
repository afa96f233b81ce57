"""Keywords become a scoring, texts become filters."""

from typing import Any

import numpy as np
import pytest

from attridex.client.arguments import ScoringKeywords, as_filter, as_scoring, as_text
from attridex.client.errors import UsageError
from attridex.v1.filters import Comparison
from attridex.v1.requests import NAMED_SETTINGS, Scoring


def test_nothing_given_is_the_default() -> None:
    assert as_scoring(None, {}) == as_scoring(None, dict.fromkeys(ScoringKeywords.__annotations__)) == Scoring()


def test_each_setting_has_a_keyword() -> None:
    assert {"method", "approximate", "settings", *NAMED_SETTINGS} == set(ScoringKeywords.__annotations__)


@pytest.mark.parametrize("name", ScoringKeywords.__annotations__)
def test_a_scoring_and_any_keyword_beside_it_are_refused(name: str) -> None:
    value: Any = {"a": 1} if name == "settings" else 1
    with pytest.raises(UsageError, match=f"and {name} beside it"):
        as_scoring(Scoring(), {name: value})
    assert as_scoring(Scoring("bm25"), {name: None}) == Scoring("bm25")


@pytest.mark.parametrize(("structure", "name"), [("auto", ""), ("ivf", "ivf")])
def test_a_structure_is_asked_for_by_giving_exactness_up(structure: str, name: str) -> None:
    assert as_scoring(None, {"approximate": structure}) == Scoring(exact=False, approximate=name)


@pytest.mark.parametrize("value", [0.1, 1e-30, 1 / 3, np.float64(0.1), 7, "0.10"])
def test_a_setting_as_text_is_read_back_as_it_was(value: Any) -> None:
    assert type(value)(as_text(value)) == value
    assert as_scoring(None, {"settings": {"a": value}}).settings == {"a": as_text(value)}


def test_a_filter_may_be_a_text_or_made_before() -> None:
    made = Comparison("loss", ">", 2)
    assert as_filter("loss > 2") == as_filter(made) == made
    assert as_filter(None) is None


@pytest.mark.parametrize("where", [3, {"column": "loss"}, object()])
def test_what_is_no_filter_is_refused_in_words(where: Any) -> None:
    with pytest.raises(UsageError, match="where: a text or a filter"):
        as_filter(where)
