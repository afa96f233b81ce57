"""Requests refuse what they cannot mean."""

import pytest

from attridex.v1.errors import UsageError
from attridex.v1.requests import Intervention, Scoring


@pytest.mark.parametrize("name", ["curvature", "damping", "seed"])
def test_a_setting_with_a_field_of_its_own_does_not_stand_twice(name: str) -> None:
    with pytest.raises(UsageError, match=f"settings: '{name}' is an argument of its own"):
        Scoring("influence", "hessian", settings={name: "1"})


@pytest.mark.parametrize("scoring", [Scoring("grad-dot", exact=False), Scoring("grad-dot", approximate="sq8")])
def test_an_intervention_s_instances_are_found_exactly_or_it_is_refused(scoring: Scoring) -> None:
    with pytest.raises(UsageError, match="leave exact and approximate away"):
        Intervention("keep", method=scoring, r=3)
