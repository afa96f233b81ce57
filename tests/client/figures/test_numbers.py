from typing import Any

import pytest

from attridex.client.figures.numbers import MINUS, count, interval, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98333, "0.983"), (1.0, "1"), (60, "60"), (1500, "1,500"), (12345.6, "12,346"), (-0.1281957, f"{MINUS}0.128"),
     (6.953875e-09, f"6.95e{MINUS}9"), (0, "0"), (None, "none"), (float("nan"), "none")],
)  # fmt: skip
def test_numbers_have_three_digits(value: Any, text: str) -> None:
    assert number(value) == text


def test_an_interval_stands_behind_its_mean() -> None:
    assert interval({"mean": 0.8204, "low": 0.7749, "high": 0.8561}) == "0.82 (0.775 to 0.856)"
    assert interval({"mean": 0.82, "low": None, "high": None}) == "0.82"
    assert count(1, "query") == "1 query"
    assert count(2, "query") == "2 queries"
