"""Batch jobs: in order, bounded, bound to what is asked, alone, and resumable, whatever became of their file."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from pathlib import Path
from typing import Any, cast

import pytest

from attridex.client.client import Client
from attridex.client.errors import ClientError, ResourceExhaustedError, UsageError
from attridex.client.evaluate import WAITING, differences, evaluate
from attridex.indexer.errors import AttridexError, BusyError
from attridex.indexer.files import alone
from attridex.v1.answers import Info, NeuronsAnswer, NeuronsResult
from attridex.v1.requests import AttributeNeuronsRequest, Query, Request

COUNT = 22
"""Queries of a job: five requests of four, and one of two."""
MANIFEST = {"model": {"hash": "a" * 64}, "corpus": {"fingerprint": "b" * 64}, "config": {"gradients": {"dim": 8, "seed": 1}}}


class Backwards:
    """A server that answers each 3 requests last first, every query with its own name."""

    version, instances = "1", 5

    def __init__(self, manifest: Any = MANIFEST) -> None:
        """Count what is taken."""
        self.taken, self.sent, self.manifest = 0, 0, manifest

    def get_index(self) -> "Backwards":
        """What it answers from now."""
        return copy(self)

    def answer(self, request: Request) -> Any:
        """An answer."""
        return NeuronsAnswer(
            Info("mine", self.version, "na", "", ""), tuple(NeuronsResult(query.id, None, ()) for query in request.queries)
        )

    def send(self, request: Request) -> Any:
        """An answer to a request alone."""
        self.sent += 1
        return self.answer(request)

    def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Answers."""
        held = []
        for number, request in requests:
            self.taken += 1
            held.append((number, self.answer(request)))
            if len(held) == 3:
                yield from reversed(held)
                held = []
        yield from reversed(held)


def run(out: Path, count: int = COUNT, server: Any = None, told: list[str] | None = None, **settings: Any) -> int:
    def build(batch: list[int]) -> Request:
        return AttributeNeuronsRequest(tuple(Query.instance(str(number)) for number in batch))

    def read(answer: Any) -> list[dict[str, Any]]:
        return [{"query": result.query_id, "words": "é" * 3} for result in answer.results]

    say = [].append if told is None else told.append
    return evaluate(
        cast("Client", server or Backwards()), iter(range(count)), build, read, out, settings=settings, say=say, batch=4
    )


def numbers(out: Path) -> list[int]:
    return [int(json.loads(line)["query"]) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("count", [1, 4, 50])
def test_lines_come_in_the_order_of_the_records(count: int, tmp_path: Path) -> None:
    assert run(tmp_path / "deep" / "out.jsonl", count) == count
    assert numbers(tmp_path / "deep" / "out.jsonl") == list(range(count))


@pytest.mark.parametrize("at", range(0, 900, 7))
def test_a_job_that_was_cut_at_any_byte_ends_as_a_whole_one_and_makes_the_same_requests(at: int, tmp_path: Path) -> None:
    out, told = tmp_path / "out.jsonl", list[str]()
    run(out, k=3)
    whole = out.read_bytes()
    out.write_bytes(whole[:at])
    done = whole[:at].count(b"\n")
    kept = done if done == COUNT else done // 4 * 4
    assert run(out, told=told, k=3) == COUNT - kept
    assert out.read_bytes() == whole
    assert bool(told) == (at > 0 and kept < COUNT)
    assert run(out, told=told, k=3) == 0


def changed(line: int, made: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A file with one of its lines made another."""

    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join([*lines[:line], made(lines[line]), *lines[line + 1 :]])

    return change


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a zero byte": changed(9, lambda line: line[:20] + b"\0" + line[21:]),
    "zeros at the end, as after a loss of power": lambda content: content[:390] + bytes(200),
    "no UTF-8": changed(9, lambda line: line.replace("é".encode(), b"\xff")),
    "another query's line": changed(9, lambda line: line.replace(b'"9"', b'"8"')),
    "a line gone": changed(9, lambda line: b""),
    "a line twice": changed(9, lambda line: line + line),
    "an empty line": changed(9, lambda line: b"\n" + line),
    "JSON of another kind": changed(9, lambda line: b"[]\n"),
    "no query": changed(9, lambda line: b"{}\n"),
    "lines behind the end": lambda content: content + content,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_lines_are_found_and_asked_again(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(out)
    whole = out.read_bytes()
    out.write_bytes(DAMAGE[kind](whole))
    assert run(out) == (0 if "behind" in kind else COUNT - 8)
    assert out.read_bytes() == whole


def test_a_file_is_bound_to_what_was_asked(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(out, k=3)
    assert json.loads((tmp_path / "out.jsonl.job").read_text()) == {
        "index_version": "1", "k": 3,
        "index": {"instances": 5, "model": "a" * 64, "corpus": "b" * 64, "gradients": {"dim": 8, "seed": 1}},
    }  # fmt: skip
    (tmp_path / "out.jsonl.job").write_text('{"k":')
    with pytest.raises(UsageError, match=r"out\.jsonl\.job: damaged"):
        run(out, k=3)
    (tmp_path / "out.jsonl.job").unlink()
    with pytest.raises(UsageError, match="not from a job"):
        run(out, k=3)
    out.write_bytes(b"")
    assert run(out, k=4) == COUNT


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a setting": ({"k": 4}, {}, "k 3, now 4"),
    "one more setting": ({"k": 3, "where": "loss > 1"}, {}, "where not given, now loss > 1"),
    "no setting": ({}, {}, "k 3, now not given"),
    "the queries": ({"k": 3, "queries": "f" * 64}, {}, "queries not given, now ffffffffffff..."),
    "the version": ({"k": 3}, {"version": "2"}, "index_version 1, now 2"),
    "a delete": ({"k": 3}, {"instances": 4}, "index.instances 5, now 4"),
    "another model": ({"k": 3}, {"manifest": {**MANIFEST, "model": {"hash": "c" * 64}}}, "index.model aaaaaaaaaaaa..., now ccc"),
    "another build": (
        {"k": 3},
        {"manifest": {**MANIFEST, "config": {"gradients": {"dim": 8, "seed": 2}}}},
        "index.gradients.seed 1, now 2",
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_changed_between_two_runs_is_named_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    out, (settings, server, words) = tmp_path / "out.jsonl", CHANGES[kind]
    run(out, k=3)
    out.write_bytes(out.read_bytes()[:100])
    other = Backwards()
    vars(other).update(server)
    with pytest.raises(UsageError) as raised:
        run(out, server=other, **settings)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert out.stat().st_size == 100


def test_a_job_of_an_older_attridex_goes_on(tmp_path: Path) -> None:
    out, job = tmp_path / "out.jsonl", tmp_path / "out.jsonl.job"
    run(out, k=3)
    job.write_text(json.dumps({"k": 3, "index_version": "1"}))
    assert run(out, k=3) == 0
    with pytest.raises(UsageError, match="k 3, now 4"):
        run(out, k=4)


def test_differences_are_named_in_order() -> None:
    assert (
        differences({"b": {"c": 1, "d": 2}, "a": [1]}, {"b": {"c": 1, "d": ""}, "a": None})
        == 'a [1], now not given; b.d 2, now ""'
    )


@pytest.mark.parametrize("where", ["answers", "index"])
def test_an_index_that_changes_while_a_job_runs_is_told_and_versions_are_not_mixed(where: str, tmp_path: Path) -> None:
    class Changing(Backwards):
        """Becomes another after its third request."""

        def answer(self, request: Request) -> Any:
            """An answer."""
            if self.taken == 4:
                vars(self)["version" if where == "answers" else "instances"] = "2"
            return super().answer(request)

    out, server = tmp_path / "out.jsonl", Changing()
    with pytest.raises(ClientError, match=r"index version 1 to 2" if where == "answers" else r"index\.instances 5, now 2"):
        run(out, server=server)
    assert numbers(out) == list(range(12 if where == "answers" else COUNT))
    server.taken = 0
    with pytest.raises(UsageError, match="1, now 2" if where == "answers" else r"index\.instances 5, now 2"):
        run(out, server=server)


def test_no_more_is_asked_ahead_than_there_is_room(tmp_path: Path) -> None:
    class Stubborn(Backwards):
        """Never answers the first request before the others."""

        def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
            """All but the first, as far as they come."""
            source = iter(requests)
            held = [(number, self.answer(request)) for number, request in (next(source) for _ in range(WAITING))]
            yield from reversed(held)
            self.taken = len(held) + len(list(source))

    server = Stubborn()
    with pytest.raises(ClientError, match="ended the stream before all was answered"):
        run(tmp_path / "out.jsonl", 4 * WAITING + 4, server)
    assert server.taken == WAITING + 1


def test_a_refused_request_ends_the_job_with_its_error(tmp_path: Path) -> None:
    class Refusing(Backwards):
        """Refuses the second request."""

        def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
            """Answers but one."""
            for number, request in requests:
                yield number, ClientError("no") if number == 1 else self.answer(request)

    with pytest.raises(ClientError, match="no"):
        run(tmp_path / "out.jsonl", 20, Refusing())
    assert numbers(tmp_path / "out.jsonl") == [0, 1, 2, 3]


def test_what_an_overloaded_server_refused_is_asked_again(tmp_path: Path) -> None:
    class Overloaded(Backwards):
        """Refuses every second request."""

        def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
            """Answers half."""
            for number, request in requests:
                yield number, ResourceExhaustedError("wait", "OVERLOADED") if number % 2 else self.answer(request)

    server = Overloaded()
    assert run(tmp_path / "out.jsonl", server=server) == COUNT
    assert numbers(tmp_path / "out.jsonl") == list(range(COUNT))
    assert server.sent == 3


@pytest.mark.parametrize("kind", ["fewer requests", "fewer queries", "other queries"])
def test_a_server_that_leaves_something_out_is_told_and_the_job_goes_on_later(kind: str, tmp_path: Path) -> None:
    class Leaving(Backwards):
        """Leaves out, or mixes up, from the third request on."""

        def stream(self, requests: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
            """Some answers."""
            for number, request in requests:
                queries = request.queries
                if number == 2 and kind == "fewer requests":
                    return
                if number == 2:
                    queries = queries[:3] if kind == "fewer queries" else queries[::-1]
                yield number, self.answer(AttributeNeuronsRequest(queries))

    out = tmp_path / "out.jsonl"
    with pytest.raises(ClientError, match="ended the stream" if "requests" in kind else "queries that are not the 4"):
        run(out, server=Leaving())
    assert numbers(out) == list(range(8))
    assert run(out) == COUNT - 8


def test_records_that_cannot_be_read_in_the_middle_end_the_job_with_their_error(tmp_path: Path) -> None:
    def records() -> Iterator[str]:
        yield from "abcdefgh"
        raise UsageError("q.jsonl, line 9: no JSON")

    with pytest.raises(UsageError, match="line 9: no JSON"):
        evaluate(
            cast("Client", Backwards()), records(), lambda batch: AttributeNeuronsRequest(tuple(map(Query.instance, batch))),
            lambda answer: [{"query": result.query_id} for result in answer.results], tmp_path / "out.jsonl",
            settings={}, batch=4,
        )  # fmt: skip


def test_two_jobs_on_one_file_exclude_each_other(tmp_path: Path) -> None:
    out, link = tmp_path / "out.jsonl", tmp_path / "link.jsonl"
    run(out, k=3)
    link.symlink_to(out)
    before = out.read_bytes()
    for name in (out, link):
        with alone(out, "writing"), pytest.raises(BusyError, match=r"another process.* is writing its answers; wait for it"):
            run(name, k=3)
    assert out.read_bytes() == before
    assert run(out, k=3) == 0


@pytest.mark.parametrize("kind", ["a directory", "below a file", "a device"])
def test_a_file_that_cannot_be_written_is_told_in_a_line(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = {"a directory": tmp_path, "below a file": tmp_path / "file" / "out.jsonl", "a device": Path(os.devnull)}[kind]
    with pytest.raises((AttridexError, UsageError), match=r"cannot be written|not a file") as raised:
        run(out)
    assert "\n" not in str(raised.value)
