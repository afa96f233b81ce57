"""Batch jobs: a query file through the stream into JSON lines, with bounded memory, and resumable after any kill."""

import json
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from attridex.client.client import Client
from attridex.client.errors import ClientError, ResourceExhaustedError, UsageError
from attridex.client.files import alone, json_line, write_whole
from attridex.client.records import Line, in_batches
from attridex.v1.answers import Answer, IndexInfo
from attridex.v1.requests import Request

BATCH = 16
"""Queries of one request."""
WAITING = 32
"""Requests that may be asked ahead of the first one that is not yet written."""
SECTIONS = ("gradients", "curvature", "neurons", "index", "engine")
"""Sections of an index's configuration that its answers follow from."""
DIGITS = "its scores may differ from those of one whole run in the last digits of float32, as those of any two runs"

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
    say: Callable[[str], object] = lambda _words: None,
    batch: int = BATCH,
    index: IndexInfo | None = None,
) -> int:
    """Ask every record and write one JSON line for each, in their order.

    A job that goes on makes the same requests as one that was never stopped: lines of a request that has not all of its
    own, or a torn one, are asked again.

    Args:
        client: whom to ask.
        records: the queries.
        build: makes the request for some records.
        read: makes lines of an answer, one a record, each with its `query`.
        out: file of JSON lines; beside it, OUT.job says what was asked.
        settings: what is asked; a file begun with other settings is refused.
        advance: called with the number of queries just written.
        say: called with what should be known of a job that goes on.
        batch: queries of one request.
        index: what the index told of itself just now; it is asked unless given.

    Returns:
        Queries asked now; those that were in the file are not asked again.

    Raises:
        BusyError: another job writes to `out`.
        AttridexError: `out` cannot be opened for writing.
        UsageError: `out` was begun with other settings or another index, which are named.
        ClientError: the server refused a request, or answers from something else in the middle; or the disk is full.
    """
    if out.exists() and not out.is_file():
        raise UsageError(f"{out}: not a file; --out is a file of JSON lines")
    index = index or client.get_index()
    requests = map(build, in_batches(records, batch))
    with alone(out, "writing its answers") as held:
        bind_job(out, {**settings, "index_version": index.version, "index": identity(index)})
        left = unfinished(held, requests, out, advance, say)
        written = 0
        with closing(answers_in_order(client, left)) as answers:
            for request, answer in answers:
                check_version(answer, index, out)
                lines = list(read(answer))
                check_queries(lines, request)
                append(held, b"".join(json_line(line).encode() + b"\n" for line in lines), out)
                written += len(lines)
                advance(len(lines))
        os.fsync(held)
    if changes := differences(identity(index), identity(client.get_index()), "index."):
        raise ClientError(f"{out}: the index changed while the job ran ({changes}); ask anew into another --out")
    return written


def identity(index: IndexInfo) -> dict[str, Any]:
    """What answers follow from, beside the index's version: other indices have the same numbers."""
    manifest = index.manifest
    config: Mapping[str, Any] = manifest.get("config", {})
    return {
        "instances": index.instances,
        "model": manifest.get("model", {}).get("hash"),
        "corpus": manifest.get("corpus", {}).get("fingerprint"),
        **{name: config[name] for name in SECTIONS if name in config},
    }


def bind_job(out: Path, settings: Mapping[str, Any]) -> None:
    """Bind a file to what is asked; one without an answer may be bound anew."""
    job = out.with_name(f"{out.name}.job")
    content = json.dumps(settings, sort_keys=True, indent=1)
    if not out.stat().st_size:
        try:
            write_whole(job, content.encode())
        except OSError as error:
            raise ClientError(f"{job}: cannot be written: {error.strerror}") from None
        return
    if not job.exists():
        raise UsageError(f"{out}: there already, and not from a job of this kind; choose another --out")
    try:
        begun = dict(json.loads(job.read_bytes()))
    except (ValueError, TypeError):
        raise UsageError(f"{job}: damaged, so nobody knows what {out} was asked; choose another --out") from None
    asked = json.loads(content)
    if "index" not in begun:  # of an older attridex
        del asked["index"]
    if changes := differences(begun, asked):
        raise UsageError(f"{out}: begun with {changes} (see {job}); ask as before, or choose another --out")


def differences(old: Mapping[str, Any], new: Mapping[str, Any], within: str = "") -> str:
    """Every setting that differs, as "k 5, now 10"; empty where none does."""
    found = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found.append(differences(before, after, f"{within}{name}."))
        elif before != after:
            found.append(f"{within}{name} {shown(before)}, now {shown(after)}")
    return "; ".join(filter(None, found))


def shown(value: object) -> str:
    """A setting in a message; of a hash or a long text only the beginning."""
    text = value if isinstance(value, str) and value else json.dumps(value)
    return "not given" if value is None else text if len(text) <= 40 else f"{text[:12]}..."


def unfinished(
    held: int, requests: Iterator[Request], out: Path, advance: Callable[[int], None], say: Callable[[str], object]
) -> Iterator[Request]:
    """Requests that have not all of their lines in a file, which is cut behind the last one that has.

    Args:
        held: descriptor of the file.
        requests: all of the job's.
        out: the file's name.
        advance: called with the number of lines that are kept.
        say: told where the job goes on.
    """
    kept = end = 0
    first: Request | None = None
    with os.fdopen(held, "rb", closefd=False) as stream:
        for request in requests:
            lines = [line for _, line in zip(queries_of(request), stream, strict=False)]
            if not whole(lines, request):
                first = request
                break
            kept, end = kept + len(lines), end + sum(map(len, lines))
            advance(len(lines))
    torn = os.fstat(held).st_size - end
    if first and (kept or torn):
        cut = f"; {torn} bytes behind it are of a request without all of its lines, which is asked again" if torn else ""
        say(f"{out}: goes on behind line {kept}{cut}; {DIGITS}")
    os.ftruncate(held, end)
    return iter(()) if first is None else chain([first], requests)


def queries_of(request: Request) -> list[str]:
    """The ids of a request's queries."""
    return [query.id for query in request.queries]


def whole(lines: list[bytes], request: Request) -> bool:
    """Whether lines are a request's, each whole: what was cut short, or is no JSON of the query, is not."""
    try:
        found = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [line["query"] for line in found] == queries_of(request)
    except (ValueError, TypeError, KeyError):
        return False


def check_version(answer: Answer, index: IndexInfo, out: Path) -> None:
    """Refuse an answer of another version than the lines before it."""
    if (version := answer.info.index_version) != index.version:
        raise ClientError(
            f"{out}: the server went from index version {index.version} to {version} while the job ran; what is written is of "
            f"{index.version}: activate that and go on, or ask anew into another --out"
        )


def check_queries(lines: list[Line], request: Request) -> None:
    """Refuse an answer that is not one of each query, in their order."""
    if [line["query"] for line in lines] != queries_of(request):
        raise ClientError(f"the server answered {len(lines)} queries that are not the {len(queries_of(request))} it was asked")


def answers_in_order(client: Client, requests: Iterator[Request]) -> Generator[tuple[Request, Answer], None, None]:
    """Send requests a bounded way ahead of the answers that are taken, which come in their order, each with its request.

    Raises:
        ClientError: the server refused a request, or ended the stream before it answered all.
    """
    room = threading.Semaphore(WAITING)
    stopped = threading.Event()
    asked: dict[int, Request] = {}
    failed: list[Exception] = []

    def numbered() -> Iterator[tuple[int, Request]]:
        try:
            for sequence, request in enumerate(requests):
                room.acquire()
                if stopped.is_set():
                    return
                asked[sequence] = request
                yield sequence, request
        except Exception as error:  # in a thread of gRPC's, which would say no more than that there was one
            failed.append(error)

    ready: dict[int, Answer] = {}
    following = 0
    try:
        for sequence, answer in client.stream(numbered()):
            ready[sequence] = settled(client, asked[sequence], answer)
            while following in ready:
                yield asked.pop(following), ready.pop(following)
                following += 1
                room.release()
        if failed:
            raise failed[0]
        if asked:
            raise ClientError("the server ended the stream before all was answered; run the same command again to go on")
    finally:
        stopped.set()
        room.release()


def settled(client: Client, request: Request, answer: Answer | ClientError) -> Answer:
    """The answer to a request; what an overloaded server refused is asked again by itself, with pauses.

    Raises:
        ClientError: it was refused for good.
    """
    if isinstance(answer, ResourceExhaustedError) and answer.reason == "OVERLOADED":
        again: Answer = client.send(request)
        return again
    if isinstance(answer, ClientError):
        raise answer
    return answer


def append(held: int, content: bytes, out: Path) -> None:
    """Append bytes to a file; where the disk takes but a part, the next run finds that.

    Raises:
        ClientError: the disk is full, or refuses the write.
    """
    try:
        while content:
            content = content[os.write(held, content) :]
    except OSError as error:
        raise ClientError(f"{out}: cannot be written: {error.strerror}; run the same command again to go on") from None
