"""A bucket of tokens a client: an oracle that fills it step by step says the same."""

import random

import pytest

from attridex.service.calls.rates import FEW, Rates
from attridex.service.errors import OverloadedError


class Bucket:
    """The obvious one."""

    def __init__(self, rate: float) -> None:
        """Full; `rate` tokens a second."""
        self.rate, self.holds, self.at = rate, max(1.0, rate), 0.0
        self.tokens = self.holds

    def take(self, now: float) -> bool:
        """Whether there is a token at this time."""
        self.tokens, self.at = min(self.holds, self.tokens + (now - self.at) * self.rate), now
        if self.tokens < 1 - 1e-6:
            return False
        self.tokens -= 1
        return True


class Clock:
    """Set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def taken(rates: Rates, client: str) -> bool:
    try:
        rates.take(client)
    except OverloadedError as error:
        return error.retry <= 0
    return True


@pytest.mark.parametrize("rate", [0.25, 1.0, 2.5, 100.0])
def test_each_client_has_a_bucket_of_its_own(rate: float) -> None:
    clock, draw = Clock(), random.Random(7)
    rates, buckets = Rates(rate, clock), {name: Bucket(rate) for name in "ab"}
    for _ in range(2000):
        clock.now += draw.expovariate(3 * rate)
        name = draw.choice("aaab")
        assert taken(rates, name) is buckets[name].take(clock.now)


def test_who_waits_as_long_as_was_said_may_ask() -> None:
    clock = Clock()
    rates = Rates(3.0, clock)
    assert [taken(rates, "a") for _ in range(4)] == [True, True, True, False]
    with pytest.raises(OverloadedError, match=r"one client may ask 3 requests a second; try again in 0\.33 s") as raised:
        rates.take("a")
    clock.now += raised.value.retry
    assert taken(rates, "a")


def test_without_a_rate_nobody_is_counted_and_with_one_those_who_left_are_forgotten() -> None:
    clock = Clock()
    assert all(taken(Rates(0.0, clock), "a") for _ in range(1000))
    rates = Rates(1.0, clock)
    for number in range(20 * FEW):
        clock.now += 0.1
        assert taken(rates, f"c{number}")
    assert len(rates._full) <= 2 * FEW
