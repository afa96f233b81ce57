"""A path is held to its floor by the median of paired runs."""

import pytest

from attridex.client.benchmarks import measure
from attridex.client.benchmarks.measure import against, faster, figure, milliseconds, paired


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Work costs as many seconds as the number that it gives."""
    spent: list[float] = []
    monkeypatch.setattr(measure, "seconds", lambda work: float(work()))
    return spent


def test_the_first_pair_warms_up(clock: list[float]) -> None:
    own = iter([100.0, 1.0, 2.0])
    assert paired(lambda: next(own), lambda: 4.0, 2) == [(1.0, 4.0), (2.0, 4.0)]


def test_ratios_are_of_each_pair_and_the_scaled_floor(clock: list[float]) -> None:
    slower = against("path", lambda: 3.0, lambda: 2.0, "floor", target=1.5, repeats=3)
    assert (slower.median, slower.meets, slower.seconds, slower.floor_seconds) == (1.5, True, 3.0, 2.0)
    assert not against("path", lambda: 3.0, lambda: 2.0, "floor", target=1.4, repeats=3).meets
    assert against("path", lambda: 3.0, lambda: 2.0, "floor", target=1.5, repeats=3, scale=3).median == 0.5
    quick = faster("path", lambda: 2.0, lambda: 3.0, "floor", target=5, repeats=3, scale=4)
    assert (quick.median, quick.meets, quick.most) == (6.0, True, False)


def test_a_latency_is_in_milliseconds() -> None:
    found = milliseconds("path", [0.001, 0.002, 0.009], "beside", target=2)
    assert (found.median, found.least, found.greatest, found.meets) == (2.0, 1.0, 9.0, True)
    row = figure("path", "floor", "ms", 1.0, [1 / 3], [(1.0, 2.0)]).row()
    assert (row["median"], row["meets"]) == (0.333333, True)
