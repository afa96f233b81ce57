"""The process of a `ProcessWorker`: `python -m attridex.indexer.engines.process_worker DESCRIPTOR`."""

import os
import pickle
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from attridex.indexer.engines.pools import Advanced, Done, Heard, Job, Ready, failed


def main(descriptor: int) -> None:
    """Open the job, then do what is given, until there is no more."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with Connection(descriptor) as parent:
        try:
            job: Job = received(parent)
            work = job.open()
            tell(parent, Ready())
            while True:
                work(received(parent), lambda count: tell(parent, Advanced(count)))
                tell(parent, Done())
        except Exception as error:
            tell(parent, failed(error))


def received(parent: Connection) -> Any:
    """What the parent sends next; without a parent this process ends."""
    try:
        message = parent.recv_bytes()
    except (EOFError, OSError):
        sys.exit()
    return pickle.loads(message)


def tell(parent: Connection, heard: Heard) -> None:
    """Say something to the parent; without one this process ends."""
    try:
        parent.send(heard)
    except OSError:
        sys.exit()


def end_with_parent() -> None:
    """End this process when its input ends: its parent is gone."""
    os.read(sys.stdin.fileno(), 1)  # not through a buffer, whose lock the end of Python would wait for
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
