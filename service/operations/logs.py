"""The server's log: lines of text or JSON, each with its request's id; what clients send cannot pass for a line of its own."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from queue import Full, Queue
from typing import Literal

from attridex.service.operations.witness import CALL, CallFacts, Ending, Witness

LogFormat = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")
FIELDS = ("rpc", "client", "identity", "code", "seconds", "asked", "event")
"""What a record may carry beside its message."""
WAITING = 10_000
"""Lines that may wait for whoever reads them."""
LAST_SECONDS = 2.0
"""How long they are waited for at the end."""
calls = logging.getLogger("attridex.calls")


def escaped(text: str) -> str:
    """Text with what is not printable written as Python writes it: no line ends, no colours, no halves of characters."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class TextLines(logging.Formatter):
    """A line of text; a traceback stands behind it, each of its lines indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        call = CALL.get()
        head = f"{moment(record)} {record.levelname.lower()} {record.name} {escaped(record.getMessage())}"
        line = f"{head} [{call.request_id} {call.number}]" if call else head
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            return "\n".join([line, *(f"    {escaped(each)}" for each in lines)])
        return line


class JsonLines(logging.Formatter):
    """An object a line: at, level, logger, message, and of a call request, call and what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        call = CALL.get()
        said = {"at": moment(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if call:
            said |= {"request": call.request_id, "call": call.number}
        said |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)  # ASCII: every other character is escaped


def moment(record: logging.LogRecord) -> str:
    """When a record was made, in UTC."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class Lines(QueueHandler):
    """Hands lines over, formatted where they are logged; those beyond a number that wait are dropped, and counted."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Wait for nobody: who logs may be the event loop."""
        try:
            self.queue.put_nowait(record)
        except Full:
            self.dropped += 1


class Writer(threading.Thread):
    """Writes lines, and alone waits for whoever reads them."""

    def __init__(self, lines: Lines, waiting: "Queue[logging.LogRecord | None]") -> None:
        """On stderr as it is now; begun by `start`."""
        super().__init__(name="log", daemon=True)
        self._lines, self._waiting = lines, waiting
        self._written = logging.StreamHandler(sys.stderr)

    def run(self) -> None:
        """Write each line, and before it how many were dropped."""
        while (record := self._waiting.get()) is not None:
            dropped, self._lines.dropped = self._lines.dropped, 0
            if dropped:
                words = f"{dropped} lines were dropped: what reads the log is too slow"
                told = logging.LogRecord("attridex.service", logging.WARNING, __file__, 0, words, None, None)
                self._written.handle(self._lines.prepare(told))
            self._written.handle(record)

    def stop(self) -> None:
        """Write what waits; who reads nothing is not waited for long."""
        with suppress(Full):
            self._waiting.put(None, timeout=LAST_SECONDS)
        self.join(LAST_SECONDS)


def announced(line: str, form: LogFormat) -> str:
    """A line that is told whatever the level, in the log's form."""
    record = logging.makeLogRecord({"name": "attridex.service", "levelname": "INFO", "msg": line})
    return JsonLines().format(record) if form == "json" else line


@contextmanager
def logging_on_stderr(form: LogFormat, level: str) -> Iterator[Writer]:
    """Log on stderr in the block, in this form, from this level on; afterwards as before.

    A writer that is alive after it holds stderr, which nobody reads: whoever flushes or closes that waits with it.
    """
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    waiting: Queue[logging.LogRecord | None] = Queue(WAITING)
    lines = Lines(waiting)
    lines.setFormatter(JsonLines() if form == "json" else TextLines())
    writer = Writer(lines, waiting)
    root.handlers[:] = [lines]
    root.setLevel(level.upper())
    writer.start()
    try:
        yield writer
    finally:
        root.handlers[:] = before
        root.setLevel(level_before)
        writer.stop()


class CallLog(Witness):
    """Logs each call when it has ended: those that failed by the server's fault as errors, all others as information."""

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`."""
        level = logging.ERROR if how.code in ("INTERNAL", "UNKNOWN", "DATA_LOSS") else logging.INFO
        if calls.isEnabledFor(level):
            facts = {name: getattr(call, name) for name in ("rpc", "client", "identity")}
            words = f"{call.rpc} {how.code} {1e3 * how.seconds:.1f} ms {call.client} {how.message}".rstrip()
            calls.log(level, "%s", words, extra={**facts, "code": how.code, "seconds": round(how.seconds, 6)})
