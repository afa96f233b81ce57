"""Workers that are processes of this machine. They end with this one, however it ends."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait

from attridex.indexer.engines.pools import Heard, Job, Lost, Task, Worker

WORKER = "attridex.indexer.engines.process_worker"


class ProcessWorker:
    """A process that does tasks; it reads and tells over a socket, and its input ends when this process ends."""

    def __init__(self, job: Job, environment: Mapping[str, str]) -> None:
        """Start it; it finds modules where this process does, and nowhere else.

        Args:
            job: what it is for.
            environment: variables beside this process's own.
        """
        own, theirs = socket.socketpair()
        self.environment = environment
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", WORKER, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=2,  # what a model's own code prints must not stand in `--json`
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path), **environment},
                start_new_session=True,  # an interrupt is this process's to answer
            )
        self.connection = Connection(own.detach())
        self._send(job)

    @property
    def name(self) -> str:
        """Its process id."""
        return f"process {self._process.pid}"

    def give(self, task: Task) -> None:
        """Let it begin with a task."""
        self._send(task)

    def _send(self, content: object) -> None:
        message = pickle.dumps(content)
        try:
            self.connection.send_bytes(message)
        except OSError:
            return  # it is gone; `heard` says so

    def heard(self) -> Heard:
        """The next thing that it says; waits for it."""
        try:
            return self.connection.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            return Lost(self._ending())

    def _ending(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"it ended with exit code {code}"
        short = " (which is what a machine does that is short of memory)" if -code == signal.SIGKILL else ""
        return f"it was ended by {signal.Signals(-code).name}{short}"

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self.connection.close()
        if self._process.stdin:
            self._process.stdin.close()


class ProcessPool:
    """Processes of this machine.

    Attributes:
        size: how many there are to be.
    """

    def __init__(self, job: Job, size: int, environments: Sequence[Mapping[str, str]] = ({},)) -> None:
        """None is started yet.

        Args:
            job: what they are for.
            size: how many there are to be.
            environments: variables; those that the fewest workers have are the next one's.
        """
        self.size = size
        self._job, self._environments = job, environments
        self._workers: dict[Connection, ProcessWorker] = {}

    def start(self) -> Worker:
        """One process more."""
        taken = [worker.environment for worker in self._workers.values() if not worker.connection.closed]
        worker = ProcessWorker(self._job, min(self._environments, key=taken.count))
        self._workers[worker.connection] = worker
        return worker

    def listen(self, seconds: float) -> list[tuple[Worker, Heard]]:
        """See `Pool.listen`."""
        found: list[tuple[Worker, Heard]] = []
        for connection in wait([each for each in self._workers if not each.closed], seconds):
            worker = self._workers[connection]  # type: ignore[index]
            heard = worker.heard()
            if isinstance(heard, Lost):
                del self._workers[worker.connection]
                worker.end()
            found.append((worker, heard))
        return found

    def close(self) -> None:
        """End all of them."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()
