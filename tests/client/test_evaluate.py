"""Batch jobs: in order, bounded, bound to what is asked, and resumable."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from attridex.client.client import Client
from attridex.client.errors import ClientError, UsageError
from attridex.client.evaluate import WAITING, evaluate


class Backwards:
    """A server that answers each 3 requests last first; an answer is its request."""

    version = "1"

    def __init__(self, built: str = "once") -> None:
        """Count what is taken."""
        self.taken, self.manifest = 0, {"shards": [], "files": {"catalog": built}}

    def get_index(self) -> "Backwards":
        """Itself."""
        return self

    def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Answers."""
        held = []
        for request in requests:
            self.taken += 1
            held.append(request)
            if len(held) == 3:
                yield from reversed(held)
                held = []
        yield from reversed(held)


def run(out: Path, records: range, server: Any = None, **settings: Any) -> int:
    def build(batch: list[int]) -> Any:
        return batch

    def read(answer: Any) -> list[dict[str, Any]]:
        return [{"query": number} for number in answer]

    return evaluate(cast("Client", server or Backwards()), records, build, read, out, settings=settings, batch=4)


def numbers(out: Path) -> list[int]:
    return [json.loads(line)["query"] for line in out.read_text().splitlines()]


@pytest.mark.parametrize("count", [1, 4, 50])
def test_lines_come_in_the_order_of_the_records(count: int, tmp_path: Path) -> None:
    assert run(tmp_path / "deep" / "out.jsonl", range(count)) == count
    assert numbers(tmp_path / "deep" / "out.jsonl") == list(range(count))


@pytest.mark.parametrize("cut", [0, 1, 13, 14, 15])
def test_a_job_goes_on_where_it_was_cut(cut: int, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(out, range(20), k=3)
    whole = out.read_bytes()
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:cut]) + b'{"query": 1')
    assert run(out, range(20), k=3) == 20 - cut
    assert out.read_bytes() == whole


def test_a_file_is_bound_to_what_was_asked(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(out, range(3), k=3)
    job = tmp_path / "out.jsonl.job"
    bound = json.loads(job.read_text())
    assert {**bound, "index_files": None} == {"index_version": "1", "index_files": None, "k": 3}
    again: dict[str, Any]
    for again, said in (
        ({"k": 4}, "begun with k = 3, this is 4; ask the same"),
        ({}, "begun with k = 3, this is null"),
        ({"k": 3, "where": "x"}, 'begun with where = null, this is "x"'),
        ({"k": 3, "server": Backwards("again")}, "begun with an index that was built anew since"),
    ):
        with pytest.raises(UsageError, match=said):
            run(out, range(3), **again)
    del bound["index_files"]  # a job of an older attridex
    job.write_text(json.dumps(bound))
    assert run(out, range(3), k=3) == 0
    job.unlink()
    with pytest.raises(UsageError, match="not from a job"):
        run(out, range(3), k=3)


def test_no_more_is_asked_ahead_than_there_is_room(tmp_path: Path) -> None:
    class Stubborn(Backwards):
        """Never answers the first request before the others."""

        def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
            """All but the first, as far as they come."""
            source = iter(requests)
            held = [next(source) for _ in range(WAITING)]
            yield from reversed(held)
            self.taken = len(held) + len(list(source))

    server = Stubborn()
    with pytest.raises(AssertionError):
        # What comes after is not answered: the job is not whole, and this server would wait for ever for more room.
        assert run(tmp_path / "out.jsonl", range(4 * WAITING + 4), server) == 4 * WAITING + 4
    assert server.taken == WAITING + 1


def test_a_refused_request_ends_the_job_with_its_error(tmp_path: Path) -> None:
    class Refusing(Backwards):
        """Refuses the second request."""

        def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
            """Answers but one."""
            for number, request in requests:
                yield number, ClientError("no") if number == 1 else request

    with pytest.raises(ClientError, match="no"):
        run(tmp_path / "out.jsonl", range(20), Refusing())
    assert numbers(tmp_path / "out.jsonl") == [0, 1, 2, 3]
