"""The log: a line is a line, whatever clients send, and says which request it belongs to."""

import io
import json
import logging
import sys
import threading

import pytest

from attridex.service.operations import logs
from attridex.service.operations.logs import CallLog, JsonLines, TextLines, announced, escaped, logging_on_stderr
from attridex.service.operations.witness import CALL, CallFacts, Ending
from attridex.v1.rpcs import REQUEST_ID

HOSTILE = ["a\nb", "a\rb", "a\x1b[31mb", "a\x00b", "a\u2028b", "a\x85b", "a\ud800b", "a\u202eb", "\x7f"]


def record(message: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        found = sys.exc_info() if error else None
    return logging.LogRecord("attridex.calls", logging.INFO, "f", 1, "%s", (message, *arguments), found)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_client_sends_stays_within_its_line(text: str) -> None:
    for formatter in (TextLines(), JsonLines()):
        line = formatter.format(record(text))
        assert len(line.splitlines()) == 1
        assert all(each.isprintable() for each in line)
        line.encode()
    assert json.loads(JsonLines().format(record(text)))["message"] == text
    assert escaped(text) != text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_traceback_cannot_pass_for_a_line_of_the_log(text: str) -> None:
    _, *others = TextLines().format(record(f"{text}\n2026-01-01 info forged", error=True)).splitlines()
    assert others
    assert all(each.startswith("    ") and each.isprintable() for each in others)
    assert len(JsonLines().format(record(text, error=True)).splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [("mine-1", True), ("x" * 128, True), ("x" * 129, False), ("", False), ("a b", False), ("a\nb", False), ("é", False)],
)
def test_a_client_s_id_is_taken_where_it_is_readable_and_another_made_where_not(given: str, kept: bool) -> None:
    call = CallFacts.of("/s/M", "ipv4:1", [(REQUEST_ID, given), ("x-bin", b"\x00")])
    other = CallFacts.of("/s/M", "ipv4:1", [])
    assert (call.request_id == given) is kept
    assert len({call.request_id, other.request_id}) == 2
    assert call.number != other.number


def test_a_line_names_its_request(caplog: pytest.LogCaptureFixture) -> None:
    call = CallFacts.of("/s/M", "ipv4:1", [(REQUEST_ID, "mine-1")])
    token = CALL.set(call)
    try:
        said = json.loads(JsonLines().format(record("words")))
        assert (said["request"], said["call"]) == ("mine-1", call.number)
        assert TextLines().format(record("words")).endswith(f"words [mine-1 {call.number}]")
    finally:
        CALL.reset(token)
    with caplog.at_level(logging.INFO, "attridex.calls"):
        CallLog().end(call, Ending("NOT_FOUND", "no such thing", 0.5))
        CallLog().end(call, Ending("DATA_LOSS", "damaged", 0.5))
    assert [each.levelno for each in caplog.records] == [logging.INFO, logging.ERROR]
    said = json.loads(JsonLines().format(caplog.records[0]))
    assert {name: said[name] for name in ("rpc", "client", "code", "seconds")} == {
        "rpc": "/s/M", "client": "ipv4:1", "code": "NOT_FOUND", "seconds": 0.5,
    }  # fmt: skip


class Slow(io.StringIO):
    """Takes nothing before it is told to go on."""

    def __init__(self) -> None:
        """Nothing written yet."""
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        """Wait, then take it."""
        self.begun.set()
        assert self.go_on.wait(60)
        return super().write(text)


def test_the_log_waits_for_no_reader_and_is_afterwards_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before, slow, log = logging.getLogger().handlers[:], Slow(), logging.getLogger("attridex.service")
    monkeypatch.setattr(logs, "WAITING", 2)
    monkeypatch.setattr(sys, "stderr", slow)
    with logging_on_stderr("text", "info"):
        log.info("line 0")
        assert slow.begun.wait(60)
        for number in range(1, 10):
            log.info("line %d", number)
        slow.go_on.set()
    assert logging.getLogger().handlers == before
    said = [line.partition("attridex.service ")[2] for line in slow.getvalue().splitlines()]
    assert said == ["line 0", "7 lines were dropped: what reads the log is too slow", "line 1", "line 2"]


def test_what_is_announced_is_in_the_log_s_form_whatever_the_level() -> None:
    assert announced("listening on 127.0.0.1:7", "text") == "listening on 127.0.0.1:7"
    said = json.loads(announced("listening on 127.0.0.1:7", "json"))
    assert (said["level"], said["logger"], said["message"]) == ("info", "attridex.service", "listening on 127.0.0.1:7")
    assert said["at"]
