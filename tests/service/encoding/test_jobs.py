"""Jobs come in batches of one need, up to a number of tokens, in the order in which they were put."""

import pytest

from attridex.service.encoding.jobs import BATCH_TOKENS, Job, JobQueue, by_need
from attridex.service.encoding.need import Need
from attridex.service.errors import OverloadedError
from tests.service.encoding.conftest import Text

FIRST, SECOND = Need(gradient=True), Need(neurons=True)


def jobs(*tokens: int) -> list[Job]:
    return [Job(Text(str(number), count), FIRST) for number, count in enumerate(tokens)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokens", "sizes"),
    [([1, 2], [2]), ([BATCH_TOKENS, 1], [1, 1]), ([BATCH_TOKENS - 1, 5, 1], [2, 1]), ([2 * BATCH_TOKENS] * 3, [1] * 3)],
)
def test_a_batch_ends_when_it_has_enough_tokens(tokens: list[int], sizes: list[int]) -> None:
    waiting = JobQueue()
    waiting.put(jobs(*tokens))
    assert [len(waiting.batch() or ()) for _ in sizes] == sizes
    waiting.end()
    assert waiting.batch() is None


def test_what_came_in_meanwhile_is_one_batch_and_the_end_comes_after_it() -> None:
    waiting = JobQueue()
    waiting.put([])
    waiting.put(jobs(1, 1))
    waiting.put(jobs(1))
    waiting.end()
    first = waiting.batch()
    assert first is not None
    assert len(first) == 3
    assert waiting.batch() is None


@pytest.mark.parametrize("others", [1, 4])
def test_a_question_is_in_the_next_batch_however_much_others_have_asked(others: int) -> None:
    waiting = JobQueue(4096)
    for number in range(others):
        waiting.put(jobs(*[BATCH_TOKENS // 8] * 1024), f"client {number}")
    (alone,) = jobs(1)
    waiting.put([alone], "alone")
    assert alone in (waiting.batch() or ())


def test_clients_have_turns_and_each_keeps_its_order() -> None:
    waiting = JobQueue()
    first, second = jobs(*[BATCH_TOKENS // 4] * 4), jobs(*[BATCH_TOKENS // 4] * 4)
    waiting.put(first, "a")
    waiting.put(second, "b")
    assert waiting.batch() == [first[0], second[0], first[1], second[1]]
    assert waiting.batch() == [first[2], second[2], first[3], second[3]]


def test_room_is_free_again_once_jobs_were_taken_and_the_abandoned_are_left_out() -> None:
    waiting = JobQueue(2)
    waiting.put(put := jobs(1, 1))
    with pytest.raises(OverloadedError):
        waiting.put(jobs(1))
    put[0].abandoned = True
    assert waiting.batch() == [put[1]]
    waiting.put(jobs(1, 1))


def test_only_jobs_of_one_need_run_together() -> None:
    made = [Job(Text("a"), need) for need in (FIRST, SECOND, FIRST, None)]  # type: ignore[arg-type]
    assert by_need(made) == [[made[1]], [made[3]], [made[0], made[2]]]


def test_a_job_says_when_it_began_and_ended() -> None:
    done, failed = jobs(1, 1)
    done.succeed("result", began=3.0)
    failed.fail(ValueError())
    assert (done.result, done.began, done.done.is_set()) == ("result", 3.0, True)
    assert failed.began == failed.ended > 0
