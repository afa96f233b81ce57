"""Batch jobs: a query file through the stream into JSON lines, with bounded memory, and resumable after any kill."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from attridex.client.client import Client
from attridex.client.errors import ClientError, UsageError
from attridex.v1 import attribution_pb2 as pb

BATCH = 16
"""Queries of one request."""
WAITING = 32
"""Requests that may be asked ahead of the first one that is not yet written."""

Line = dict[str, Any]
Build = Callable[[list[Mapping[str, Any]]], pb.AttributeStreamRequest]
Read = Callable[[Any], Iterable[Line]]


def evaluate(
    client: Client,
    records: Iterable[Mapping[str, Any]],
    build: Build,
    read: Read,
    out: Path,
    *,
    settings: Mapping[str, Any],
    advance: Callable[[int], None] = lambda _count: None,
    batch: int = BATCH,
) -> int:
    """Ask every record and write one JSON line for each, in their order.

    Args:
        client: whom to ask.
        records: the queries, each with an id.
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
    check_job(out, {**settings, "index_version": client.get_index().version})
    done = finished_lines(out)
    left = islice(iter(records), done, None)
    advance(done)
    return write_answers(client, left, build, read, out, advance, batch)


def check_job(out: Path, settings: Mapping[str, Any]) -> None:
    """Bind a file to what is asked; one without an answer may be bound anew."""
    job = out.with_name(f"{out.name}.job")
    content = json.dumps(settings, sort_keys=True, indent=1)
    if not out.exists() or not out.stat().st_size:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = job.with_name(f".{job.name}.tmp")
        temporary.write_text(content)
        os.replace(temporary, job)
    elif not job.exists():
        raise UsageError(f"{out}: there already, and not from a job of this kind; choose another --out")
    elif json.loads(job.read_text()) != json.loads(content):
        raise UsageError(f"{out}: begun with other settings or another index version (see {job}); choose another --out")


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


def write_answers(
    client: Client,
    records: Iterator[Mapping[str, Any]],
    build: Build,
    read: Read,
    out: Path,
    advance: Callable[[int], None],
    size: int,
) -> int:
    """Send requests a bounded way ahead of what is written, and write answers in order."""
    room = threading.Semaphore(WAITING)
    stopped = threading.Event()

    def requests() -> Iterator[pb.AttributeStreamRequest]:
        sequence = 0
        while (batch := list(islice(records, size))) and not stopped.is_set():
            room.acquire()
            request = build(batch)
            request.sequence = sequence
            yield request
            sequence += 1

    ready: dict[int, Any] = {}
    following = written = 0
    try:
        with out.open("ab") as stream:
            for sequence, answer in client.stream(requests()):
                if isinstance(answer, ClientError):
                    raise answer
                ready[sequence] = answer
                while following in ready:
                    lines = list(read(ready.pop(following)))
                    stream.write(b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines))
                    stream.flush()
                    written += len(lines)
                    following += 1
                    room.release()
                    advance(len(lines))
            os.fsync(stream.fileno())
    finally:
        stopped.set()
        room.release()
    return written


def fingerprint(path: Path) -> str:
    """SHA-256 of a query file: part of a job's settings."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
