"""The server's log: lines of text or JSON, each with its request's id; what clients send cannot pass for a line of its own."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from attridex.service.operations.witness import CALL, CallFacts, Ending, Witness

LogFormat = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")
FIELDS = ("rpc", "client", "identity", "code", "seconds", "asked", "event")
"""What a record may carry beside its message."""
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


def set_up(form: LogFormat, level: str) -> None:
    """Log on stderr from now on, in this form, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class CallLog(Witness):
    """Logs each call when it has ended: those that failed by the server's fault as errors, all others as information."""

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`."""
        level = logging.ERROR if how.code in ("INTERNAL", "UNKNOWN", "DATA_LOSS") else logging.INFO
        if calls.isEnabledFor(level):
            facts = {name: getattr(call, name) for name in ("rpc", "client", "identity")}
            words = f"{call.rpc} {how.code} {1e3 * how.seconds:.1f} ms {call.client} {how.message}".rstrip()
            calls.log(level, "%s", words, extra={**facts, "code": how.code, "seconds": round(how.seconds, 6)})
