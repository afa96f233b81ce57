"""Work shares threads by turns: who came later with little to do waits for a moment of each other, not for all that they do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from attridex.service.search import slices
from attridex.service.search.slices import Turns, in_turn


def steps(name: str, count: int, done: list[str]) -> Turns[str]:
    """Work that notes each of its steps."""
    for _ in range(count):
        done.append(name)
        yield
    return name


def test_little_work_is_done_beside_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    done = list[str]()
    with ThreadPoolExecutor(1) as pool:
        others = [in_turn(pool, steps(f"much {number}", 1000, done)) for number in range(4)]
        assert in_turn(pool, steps("little", 3, done)).result(20) == "little"
        before = done.index("little")
        last = len(done) - done[::-1].index("little")
        assert [each.result(20) for each in others] == [f"much {number}" for number in range(4)]
    assert done[before:last].count("little") == 3
    assert last - before <= 3 + 2 * 4 * 2, "each of the others has a step or two between two of its own"


def test_what_goes_wrong_is_raised() -> None:
    def wrong() -> Turns[None]:
        yield
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        in_turn(pool, wrong()).result(20)
