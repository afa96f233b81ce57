"""The replicas of a group: processes that hold the same shards, of which those that are there are asked."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from attridex.indexer.engines.pools import Lost
from attridex.service.groups.questions import Keep, Message, Ping, Question

AGAIN_SECONDS = 2.0
"""How long after a replica was lost, or was asked whether it is there, it is asked that again."""
log = logging.getLogger("attridex.service")


class Replica(Protocol):
    """A process that answers as a `Group` does."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def ask(self, question: Message) -> "Future[Any]":
        """Its answer; `Failed` where it cannot be answered by anybody, `Lost` where it is gone."""

    def end(self) -> None:
        """End it."""


@dataclass(eq=False)
class Place:
    """A replica, as it was found when it was asked last.

    Attributes:
        replica: the process.
        busy: questions that it has not answered yet.
        away: why it is taken for lost; empty where it is there.
        looked: when it was lost, or asked whether it is back.
    """

    replica: Replica
    busy: int = 0
    away: str = ""
    looked: float = 0.0


class Replicas:
    """The replicas of one group; any thread may ask.

    Attributes:
        name: of the group, in messages.
    """

    def __init__(self, name: str, replicas: Sequence[Replica]) -> None:
        """All of them are there, until one is found lost."""
        self.name, self._places = name, [Place(replica) for replica in replicas]
        self._lock, self._ended = threading.Lock(), False

    def in_turn(self, question: Question) -> list[Place]:
        """Who is to be asked, one after the other where it must be: those that are there first, with the least to do.

        One that was lost is asked, too, so that it is found when it is there again, once it has read what is asked about.
        """
        now = time.monotonic()
        with self._lock:
            due = [place for place in self._places if place.away and not place.busy and now - place.looked > AGAIN_SECONDS]
            for place in due:
                place.looked = now
            found = sorted(self._places, key=lambda place: (bool(place.away), place.busy))
        for place in due:
            self.ask(place, question)
        return found

    def ask(self, place: Place, question: Message) -> "Future[Any]":
        """Ask a replica; what it answers tells whether it is there."""
        with self._lock:
            place.busy += 1
        asked = place.replica.ask(question)
        asked.add_done_callback(lambda done: self._heard(place, done.result()))
        return asked

    def _heard(self, place: Place, answer: Any) -> None:
        why = answer.why if isinstance(answer, Lost) else ""
        with self._lock:
            place.busy -= 1
            changed = bool(why) != bool(place.away) and not self._ended
            place.away = why
            if changed:
                place.looked = time.monotonic()
        if changed and why:
            log.warning("%s: %s is lost: %s", self.name, place.replica.name, why)
        elif changed:
            log.warning("%s: %s is back", self.name, place.replica.name)

    def there(self) -> int:
        """How many are not taken for lost; those that have nothing to do are asked, for the next time: nobody waits for it."""
        with self._lock:
            idle = [place for place in self._places if not place.busy]
        for place in idle:
            self.ask(place, Ping())
        with self._lock:
            return sum(not place.away for place in self._places)

    def tell(self, what: Keep) -> None:
        """Tell all of them; nobody waits."""
        for place in self._places:
            self.ask(place, what)

    def end(self) -> None:
        """End all of them, which is no loss."""
        self._ended = True
        for place in self._places:
            place.replica.end()
