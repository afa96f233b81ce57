"""Questions to several groups at once: each has its time, a second replica is asked where the first is slow or lost."""

import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from attridex.indexer.engines.pools import Failed, Lost
from attridex.indexer.held.waited import still_waited
from attridex.service.errors import CancelledError
from attridex.service.groups.questions import Question
from attridex.service.groups.replicas import Place, Replicas

AGAIN_SECONDS = 0.2
"""How long after the last replica of a group was found lost all of them are asked again."""
LOOK_SECONDS = 0.02
"""How often it is looked whether an answer is still waited for, and whether it is time to ask another replica."""


@dataclass(frozen=True)
class Patience:
    """How long a group is waited for.

    Attributes:
        seconds: for an answer; what has none then is without one.
        hedge: until another replica is asked too; whoever answers first is taken.
        again: whether replicas that are all lost are asked again, as one may be started anew meanwhile.
    """

    seconds: float = 10.0
    hedge: float = 1.0
    again: bool = True


@dataclass(frozen=True)
class Silent:
    """A group has no answer."""

    why: str


class Pursuit:
    """One group's answer, while it is waited for."""

    def __init__(self, replicas: Replicas, question: Question, patience: Patience) -> None:
        """Ask the first replica; where they are asked once, none that is known to be lost."""
        self._replicas, self._patience = replicas, patience
        self._question = replace(question, seconds=patience.seconds)
        places = replicas.in_turn(self._question)
        self._left = places if patience.again else [place for place in places if not place.away]
        self._asked: dict[Future[Any], Place] = {}
        self._began = self._latest = time.monotonic()
        self._why = f"{places[0].replica.name}: {places[0].away}" if places[0].away else ""
        if self._left:
            self._ask_next()

    @property
    def under_way(self) -> list[Future[Any]]:
        """What is waited for."""
        return list(self._asked)

    def _ask_next(self) -> None:
        place = self._left.pop(0)
        self._asked[self._replicas.ask(place, self._question)] = place
        self._latest = time.monotonic()

    def look(self) -> Any:
        """The answer, or `Silent`; None where it is still waited for.

        Raises:
            AttridexError: the question cannot be answered by anybody.
        """
        for done in [future for future in self._asked if future.done()]:
            place, answer = self._asked.pop(done), done.result()
            if isinstance(answer, Lost):
                self._why = f"{place.replica.name}: {answer.why}"
            elif isinstance(answer, Failed) and isinstance(answer.error, CancelledError):
                self._why = f"{place.replica.name}: it took longer than {self._patience.seconds:g} s"
            elif isinstance(answer, Failed):
                raise answer.error
            else:
                return answer
        now = time.monotonic()
        if now - self._began >= self._patience.seconds:
            return Silent(self._why or f"no answer in {self._patience.seconds:g} s")
        if not self._asked and not self._left:
            if not self._patience.again:
                return Silent(self._why)
            if now - self._latest >= AGAIN_SECONDS:
                self._left = self._replicas.in_turn(self._question)
        if self._left and (not self._asked or now - self._latest >= self._patience.hedge):
            self._ask_next()
        return None


def gather(groups: Mapping[int, Replicas], questions: Mapping[int, Question], patience: Patience) -> dict[int, Any]:
    """The answers to questions, or `Silent`, by group.

    Args:
        groups: the replicas of each.
        questions: to each that is asked.
        patience: how long it is waited for.

    Raises:
        AttridexError: a question cannot be answered by anybody, or nobody waits for the answer any more.
    """
    pursued = {number: Pursuit(groups[number], question, patience) for number, question in questions.items()}
    answers: dict[int, Any] = {}
    while pursued:
        under_way = [future for pursuit in pursued.values() for future in pursuit.under_way]
        if under_way:
            wait(under_way, LOOK_SECONDS, FIRST_COMPLETED)
        else:
            time.sleep(LOOK_SECONDS)
        still_waited()
        for number in list(pursued):
            answer = pursued[number].look()
            if answer is not None:
                answers[number] = answer
                del pursued[number]
    return answers
