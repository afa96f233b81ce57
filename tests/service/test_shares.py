"""Whoever holds much cannot keep others from holding a little."""

import pytest

from attridex.service.shares import Shares


def test_one_alone_may_hold_all_and_no_more() -> None:
    shares = Shares(10)
    assert shares.take("a", 10)
    assert not shares.take("a", 1)
    shares.give_back("a", 4)
    assert shares.take("a", 4)
    assert shares.held == 10


@pytest.mark.parametrize("others", [1, 3, 9])
def test_a_newcomer_has_an_even_share_where_others_hold_all(others: int) -> None:
    shares = Shares(100)
    for number in range(others):
        assert shares.take(str(number), 100 // others)
    even = 100 // (others + 1)
    assert not shares.take("new", even + 2 + 100 % others)
    assert shares.take("new", even)
    assert not shares.take("new", 1)


def test_who_holds_nothing_any_more_is_forgotten() -> None:
    shares = Shares(10)
    assert shares.take("a", 5)
    shares.give_back("a", 5)
    assert shares.take("b", 10)
    assert shares.held == 10
