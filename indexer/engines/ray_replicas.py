"""Ray actors that answer questions, from what each has opened. Ray starts one again that is lost, and repeats no question."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol

import ray
from ray.exceptions import RayError

from attridex.indexer.engines.pools import Lost, failed
from attridex.indexer.engines.ray_actors import HIDDEN, Share
from attridex.indexer.errors import one_line

AT_ONCE = 8
"""Questions that an actor answers at once."""


class Answering(Protocol):
    """What an actor is for. It travels to it by pickle."""

    def open(self) -> Callable[[Any], Any]:
        """What answers its questions, where it is."""


class AnsweringActor:
    """What runs in the actor."""

    def __init__(self, job: Answering) -> None:
        """Open it."""
        self._answer = job.open()

    def answer(self, question: Any) -> Any:
        """The answer, or `Failed`."""
        try:
            return self._answer(question)
        except Exception as error:
            return failed(error)


class RayReplica:
    """An actor that answers questions.

    Attributes:
        name: in messages.
    """

    def __init__(self, name: str, job: Answering, share: Share) -> None:
        """Start it, on a node that has few others; within `cluster`.

        Args:
            name: in messages.
            job: what it is for.
            share: what of a machine it takes.
        """
        self.name = name
        remote: Any = ray.remote  # its types do not know of threads
        kind = remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=AT_ONCE,
            scheduling_strategy="SPREAD",
            runtime_env=None if share.gpus else HIDDEN,
        )(AnsweringActor)
        self._actor = kind.remote(job)

    def ask(self, question: Any) -> "Future[Any]":
        """Its answer; `Lost` where it is gone."""
        found: Future[Any] = Future()
        try:
            asked = self._actor.answer.remote(question).future()
        except RayError as error:
            found.set_result(Lost(one_line(error)))
            return found

        def heard(done: "Future[Any]") -> None:
            try:
                found.set_result(done.result())
            except Exception as error:
                found.set_result(Lost(one_line(error)))

        asked.add_done_callback(heard)
        return found

    def end(self) -> None:
        """Kill it."""
        with suppress(RayError):
            ray.kill(self._actor)
