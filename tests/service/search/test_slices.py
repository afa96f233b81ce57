"""Work shares threads by turns: who came later with little to do waits for a moment of each other, not for all that they do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from attridex.indexer.held.waited import still_waited, waited_for
from attridex.service.errors import CancelledError
from attridex.service.search import slices
from attridex.service.search.slices import Turns, Workers, in_turn


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


def test_threads_see_whether_their_caller_still_waits() -> None:
    def gone() -> None:
        raise CancelledError("gone")

    with Workers(1) as workers:
        with waited_for(gone):
            first = workers.submit(still_waited)
            all_at_once = workers.map(lambda _: still_waited(), range(2))
        with pytest.raises(CancelledError):
            first.result()
        with pytest.raises(CancelledError):
            list(all_at_once)
        workers.submit(still_waited).result()  # those of another caller, in the same thread
