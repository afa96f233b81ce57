"""Batch jobs: a query file through the stream into JSON lines, with bounded memory, and resumable after any kill."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attridex.client.client import Client
from attridex.client.errors import ClientError, UsageError
from attridex.client.files import json_line, write_whole
from attridex.client.records import Line, in_batches
from attridex.v1.answers import Answer, IndexInfo
from attridex.v1.requests import Request

BATCH = 16
"""Queries of one request."""
WAITING = 32
"""Requests that may be asked ahead of the first one that is not yet written."""

WORDS = {"queries": "other queries", "index_files": "an index that was built anew since"}
"""What has changed where a hash has."""

Item = TypeVar("Item")


def evaluate(
    client: Client,
    records: Iterable[Item],
    build: Callable[[list[Item]], Request],
    read: Callable[[Any], Iterable[Line]],
    out: Path,
    *,
    settings: Mapping[str, Any],
    advance: Callable[[int], None] = lambda _count: None,
    batch: int = BATCH,
) -> int:
    """Ask every record and write one JSON line for each, in their order.

    Args:
        client: whom to ask.
        records: the queries.
        build: makes the request for some records.
        read: makes lines of an answer, one a record.
        out: file of JSON lines; beside it, OUT.job says what was asked.
        settings: what is asked; a file begun with other settings is refused.
        advance: called with the number of queries just written.
        batch: queries of one request.

    Returns:
        Queries asked now; those that were in the file are not asked again.

    Raises:
        UsageError: `out` was begun with other settings or another index version.
        ClientError: the server refused a request.
    """
    index = client.get_index()
    check_job(out, {**settings, "index_version": index.version, "index_files": files_of(index)})
    done = finished_lines(out)
    advance(done)
    requests = map(build, in_batches(islice(records, done, None), batch))
    with closing(answers_in_order(client, requests)) as answers:
        return append_lines(out, map(read, answers), advance)


def check_job(out: Path, settings: Mapping[str, Any]) -> None:
    """Bind a file to what is asked; one without an answer may be bound anew."""
    job = out.with_name(f"{out.name}.job")
    content = json.dumps(settings, sort_keys=True, indent=1)
    if not out.exists() or not out.stat().st_size:
        write_whole(job, content.encode())
    elif not job.exists():
        raise UsageError(f"{out}: there already, and not from a job of this kind; choose another --out")
    elif changed := changes(json.loads(job.read_text()), json.loads(content)):
        raise UsageError(f"{out}: begun with {changed}; ask the same, or choose another --out")


def files_of(index: IndexInfo) -> str:
    """What tells an index's files from those of another build that has the same version number."""
    return hashlib.sha256(json.dumps([index.manifest.get(name) for name in ("shards", "files")]).encode()).hexdigest()


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first setting that is another one now, in words; a job of an older attridex does not tell the index's files."""
    for name in {**now, **before}:
        was, wanted = before.get(name), now.get(name)
        if was == wanted or (name == "index_files" and name not in before):
            continue
        if name in WORDS:
            return WORDS[name]
        return f"{name} = {json.dumps(was)}, this is {json.dumps(wanted)}"
    return ""


def finished_lines(out: Path) -> int:
    """Whole lines of a file; a line that was cut short is removed."""
    if not out.exists():
        return 0
    with out.open("rb+") as stream:
        lines, end = 0, 0
        for line in stream:
            if not line.endswith(b"\n"):
                break
            lines, end = lines + 1, end + len(line)
        stream.truncate(end)
    return lines


def answers_in_order(client: Client, requests: Iterator[Request]) -> Generator[Answer, None, None]:
    """Send requests a bounded way ahead of the answers that are taken, which come in their order.

    Raises:
        ClientError: the server refused a request.
    """
    room = threading.Semaphore(WAITING)
    stopped = threading.Event()

    def numbered() -> Iterator[tuple[int, Request]]:
        for sequence, request in enumerate(requests):
            room.acquire()
            if stopped.is_set():
                return
            yield sequence, request

    ready: dict[int, Answer] = {}
    following = 0
    try:
        for sequence, answer in client.stream(numbered()):
            if isinstance(answer, ClientError):
                raise answer
            ready[sequence] = answer
            while following in ready:
                yield ready.pop(following)
                following += 1
                room.release()
    finally:
        stopped.set()
        room.release()


def append_lines(out: Path, answers: Iterable[Iterable[Line]], advance: Callable[[int], None]) -> int:
    """Append the lines of answers to a file, those of each at once; gives how many they were."""
    written = 0
    with out.open("ab") as stream:
        for answer in answers:
            lines = [json_line(line).encode() + b"\n" for line in answer]
            stream.write(b"".join(lines))
            stream.flush()
            written += len(lines)
            advance(len(lines))
        os.fsync(stream.fileno())
    return written
