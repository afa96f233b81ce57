"""A server beside this process answers, and one that does not start says why."""

import sys
from io import StringIO
from pathlib import Path

import pytest

from attridex.client import serving
from attridex.client.errors import ClientError
from attridex.client.serving import address_of, server_beside, stop_process
from tests.processes import running


def test_the_address_is_what_is_announced() -> None:
    assert address_of(StringIO("a warning\nlistening on 127.0.0.1:7\nlater\n")) == "127.0.0.1:7"


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"the server did not start: error: .*none"), server_beside(tmp_path / "none"):
        pass


def test_a_process_that_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STOP_SECONDS", 0.1)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with running([sys.executable, "-c", code]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stop_process(process)
        assert process.wait(30) < 0
