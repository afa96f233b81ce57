"""A job whose tasks say by their names what happens to whoever does them."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.engines.pools import Work
from attridex.indexer.errors import InputError
from attridex.indexer.progress import Advance


@dataclass(frozen=True)
class Marks:
    """Leaves a mark for every task that is done.

    Attributes:
        directory: of the marks.
        opens: how it opens: "well", or "killed", or "refused".
    """

    directory: Path
    opens: str = "well"

    def open(self) -> Work:
        """See `opens`."""
        if self.opens == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.opens == "refused":
            raise InputError("no such model")
        return self.work

    def work(self, task: str, advance: Advance) -> None:
        """Two units; the name's first word says what happens between them."""
        advance(1)
        what = task.partition(" ")[0]
        if what == "refused":
            raise InputError("not finite")
        if what == "wrong":
            raise ZeroDivisionError("division by zero")
        if what == "killer" or (what == "killed" and self.first(task)):
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(50 if what == "slow" else 0):
            time.sleep(0.1)
            advance(0)
        if what == "silent" and self.first(task):
            time.sleep(600)
        with (self.directory / task).open("a") as stream:
            stream.write("done")
        advance(1)

    def first(self, task: str) -> bool:
        """Whether a task was never tried."""
        path = self.directory / f"{task} tried"
        tried = path.exists()
        path.touch()
        return not tried
