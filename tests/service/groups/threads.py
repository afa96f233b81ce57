"""Groups whose replicas are threads of this process: what is merged is the same wherever they are."""

import pickle
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from attridex.indexer.engines.pools import Lost, failed
from attridex.service.groups.gathering import Patience
from attridex.service.groups.group import Group
from attridex.service.groups.groups import Groups
from attridex.service.groups.questions import Message, Question
from attridex.service.groups.replicas import Replicas
from attridex.service.storage.held_shards import How


class ThreadReplica:
    """A group in threads; it can be lost, be found again, or fall silent.

    Attributes:
        asked: what it was asked.
        lost: whether it is.
        silent: whether it answers nothing.
    """

    def __init__(self, name: str) -> None:
        """It holds nothing yet."""
        self.name, self.asked = name, list[Question]()
        self.lost = self.silent = False
        self.group, self._pool = Group(How(verify=True), 1), ThreadPoolExecutor(4)

    def ask(self, question: Message) -> "Future[Any]":
        """See `Replica`."""
        if isinstance(question, Question):
            self.asked.append(question)
        if self.lost or self.silent:
            found: Future[Any] = Future()
            if self.lost:
                found.set_result(Lost("it was killed"))
            return found
        return self._pool.submit(self._answer, question)

    def _answer(self, question: Message) -> Any:
        try:
            return travelled(self.group.answer(travelled(question)))
        except Exception as error:
            return failed(error)

    def end(self) -> None:
        """See `Replica`."""
        self._pool.shutdown()
        self.group.close()


def travelled(content: Any) -> Any:
    """Something as it comes out at the other end."""
    return pickle.loads(pickle.dumps(content))


def thread_groups(replicas: Iterable[Iterable[ThreadReplica]], patience: Patience | None = None) -> Groups:
    """Groups of these replicas, one list a group."""
    return Groups([Replicas(f"group {number}", list(each)) for number, each in enumerate(replicas, 1)], patience or Patience())
