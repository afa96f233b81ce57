"""The process of a `ProcessWorker`: `python -m attridex.indexer.engines.process_worker DESCRIPTOR`."""

import os
import sys
import threading
from multiprocessing.connection import Connection

from attridex.indexer.engines.pools import Advanced, Done, Job, Ready, failed


def main(descriptor: int) -> None:
    """Open the job, then do what is given, until there is no more."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with Connection(descriptor) as connection:
        try:
            job: Job = connection.recv()
            work = job.open()
            connection.send(Ready())
            while True:
                work(connection.recv(), lambda count: connection.send(Advanced(count)))
                connection.send(Done())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            connection.send(failed(error))


def end_with_parent() -> None:
    """End this process when its input ends: its parent is gone."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
