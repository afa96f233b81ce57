"""Progress where there is no terminal: a line now and then."""

import pytest

from attridex.indexer import progress as module
from attridex.indexer.progress import pace, progress


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def test_a_log_gets_a_line_now_and_then_at_the_pace_of_the_last_while(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("training", 8, "models", enabled=True, done=1) as advance:
        advance(3)  # taken up from an earlier run
        clock.now = 1.0
        advance(1)
        clock.now = 400.0
        advance(1)
        clock.now = 800.0
        advance(1)
        advance(1)
    assert capsys.readouterr().err.splitlines() == [
        "training: 6/8 models, 80.0 s each, 0:02:40 left",
        "training: 7/8 models, 400.0 s each, 0:06:40 left",
        "training: 8/8 models",
    ]


def test_quick_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("asking", 2, "queries", enabled=True) as advance:
        advance(1)
        clock.now = 1.0
        advance(1)
    assert capsys.readouterr().err == ""


def test_pace_is_a_rate_or_the_time_of_one() -> None:
    assert pace(40, 10.0, 20) == ", 4.0/s, 0:00:05 left"
    assert pace(2, 30.0, 4) == ", 15.0 s each, 0:01:00 left"
    assert pace(5, 1.0, 0) == ""
