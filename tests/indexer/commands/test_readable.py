"""Figures for people."""

import pytest

from attridex.indexer.commands.readable import human_fact, human_size, human_time


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 20, "1.0 MiB"), (3 << 29, "1.50 GiB"), (1 << 40, "1.00 TiB")],
)
def test_sizes(size: int, said: str) -> None:
    assert human_size(size) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (119.94, "119.9 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h"), (400 * 3600, "16.7 days")],
)
def test_times(seconds: float, said: str) -> None:
    assert human_time(seconds) == said


@pytest.mark.parametrize(("value", "said"), [([], "none"), (["a", "b"], "a, b"), (3, "3"), ("", "")])
def test_facts(value: object, said: str) -> None:
    assert human_fact(value) == said
