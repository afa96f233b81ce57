"""A server in a process of its own, beside this one."""

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

from attridex.client.errors import ClientError

# -P: nothing that lies in the working directory stands in for a package.
COMMAND = [sys.executable, "-P", "-c", "from attridex.client.commands.app import main; main()", "serve"]
ANNOUNCED = "listening on "
STOP_SECONDS = 30.0
"""How long a server may take to stop before it is ended."""


@contextmanager
def server_beside(index: Path) -> Iterator[str]:
    """Run `attridex serve` on a free loopback port; gives HOST:PORT.

    Raises:
        ClientError: it did not start; the last line that it said is given.
    """
    command = [*COMMAND, f"{index.resolve().name}={index}", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        try:
            yield address_of(process.stderr)
        finally:
            stop_process(process)


def address_of(said: IO[str] | None) -> str:
    """The address that a starting server announces; what it says afterwards is read away, so that it never waits to say it."""
    last = deque[str](maxlen=1)
    for line in said or ():
        if line.startswith(ANNOUNCED):
            Thread(target=deque, args=(said, 0), daemon=True).start()
            return line.removeprefix(ANNOUNCED).strip()
        last.append(line)
    raise ClientError(f"the server did not start: {''.join(last).strip()}")


def stop_process(process: "subprocess.Popen[str]") -> None:
    """Ask a process to end, and end it if it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
