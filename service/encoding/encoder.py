"""From texts to signatures and edited probabilities: one thread owns the model, batches what waits, and remembers answers."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attridex.indexer.errors import AttridexError, InputError
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.moved_model import with_model
from attridex.service.caller import Caller
from attridex.service.encoding.cache import CACHE_BYTES, SignatureCache
from attridex.service.encoding.jobs import WAITING, Job, JobQueue, by_need
from attridex.service.encoding.need import Need
from attridex.service.errors import CancelledError, DamagedIndexError, InvalidArgumentError

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance
    from attridex.indexer.signing.edits import EditedOutputs, NeuronEdit
    from attridex.indexer.signing.signature import Signature
    from attridex.indexer.signing.signer import Signer

POLL_SECONDS = 0.05
"""How often a waiting caller looks whether it is still wanted."""


@contextmanager
def refused_as_query() -> Iterator[None]:
    """Turn what the indexer refuses into a refusal of a request's queries."""
    try:
        yield
    except InputError as error:
        raise InvalidArgumentError(str(error), "queries") from None


class Encoder:
    """Signs texts for many callers with one model.

    Attributes:
        cache: signatures that are remembered.
        batched: called with the number of texts, and of their tokens, that the model is given together.
    """

    def __init__(self, signer: "Signer", *, cache_bytes: int = CACHE_BYTES, waiting: int = WAITING) -> None:
        """Start the thread that owns the model."""
        self._signer = signer
        self.cache = SignatureCache(cache_bytes)
        self.batched: Callable[[int, int], None] = lambda _texts, _tokens: None
        self._jobs = JobQueue(waiting)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, manifest: Manifest, place: str | None = None) -> "Encoder":
        """Load the model that an index was built with, from where it was then or from another place.

        Raises:
            DamagedIndexError: the model there is another one now.
            InputError: there is none.
        """
        from attridex.indexer.signing.signer import Signer

        config = with_model(manifest.config, place)
        signer = Signer.load(config, compiled=False)
        if other := signer.identity().difference(manifest.model.hash, manifest.model.tokenizer_hash, manifest.checkpoints):
            raise DamagedIndexError(
                f"{config.model.path}: not the model that this index was built with ({other}); give that by --model, where it "
                "lies elsewhere now, build the index anew, or serve it with --no-model"
            )
        return cls(signer)

    @property
    def waiting(self) -> int:
        """Texts that wait for the model."""
        return self._jobs.waiting

    def close(self, patience: float | None = None) -> bool:
        """Finish what is under way and end the thread; whether it ended within `patience` seconds, however long where None."""
        self._closed = True
        self._jobs.end()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def render(self, record: Mapping[str, Any], where: str, *, label_used: bool = True) -> "RenderedInstance":
        """Render a record; `where` names it in errors, and its label need not be known where it is not used.

        Raises:
            InvalidArgumentError: a missing column, an unknown label that is used, an empty or too long text.
        """
        with refused_as_query():
            return self._signer.render(record, where, label_used=label_used)

    def stored(self, row: Mapping[str, Any]) -> "RenderedInstance":
        """Render an instance of the index from its own columns; see `Renderer.stored`."""
        with refused_as_query():
            return self._signer.renderer.stored(row)

    def continued(self, record: Mapping[str, Any], where: str, more: int, caller: Caller) -> "RenderedInstance":
        """Render a record whose target, where it has none, is what the model says next.

        Args:
            record: its columns.
            where: what it is called in errors.
            more: tokens of that at most.
            caller: who waits.

        Raises:
            InvalidArgumentError: see `render`; or the model says nothing, or has no room to say it.
        """
        with refused_as_query():
            prompt = self._signer.renderer.prompt(record, where)
        if prompt is None:
            return self.render(record, where)
        job = Job(prompt, None, more=more)
        try:
            self._run([job], caller)
        except InputError as error:
            raise InvalidArgumentError(f"{where}: {error}", "queries") from None
        result: RenderedInstance = job.result
        return result

    def sign(self, instances: Sequence["RenderedInstance"], need: Need, caller: Caller) -> list["Signature"]:
        """Signatures of instances; only those not remembered cost model work."""
        known = [self.cache.get(instance.key, need) for instance in instances]
        jobs = {at: Job(instances[at], need) for at, signature in enumerate(known) if signature is None}
        self._run(list(jobs.values()), caller)
        for at, job in jobs.items():
            known[at] = self.cache.put(job.instance.key, need, job.result)
        return [signature for signature in known if signature is not None]

    def edit(self, instance: "RenderedInstance", edits: Sequence["NeuronEdit"], caller: Caller) -> "EditedOutputs":
        """What the model says, unedited and under each edit."""
        job = Job(instance, None, edits)
        self._run([job], caller)
        result: EditedOutputs = job.result
        return result

    def _run(self, jobs: Sequence[Job], caller: Caller) -> None:
        """Queue jobs and wait for them; a caller that goes away takes its jobs along."""
        try:
            if self._closed:
                raise CancelledError("the server is stopping")
            self._jobs.put(jobs, caller.client)
            for job in jobs:
                while not job.done.wait(POLL_SECONDS):
                    caller.checkpoint()
        except BaseException:
            for job in jobs:
                job.abandoned = True
            raise
        for job in jobs:
            if job.error is not None:
                raise job.error
        if jobs:
            caller.spent.queue += max(job.began - job.queued for job in jobs)
            caller.spent.encode += max(job.ended for job in jobs) - min(job.began for job in jobs)

    def _work(self) -> None:
        while (batch := self._jobs.batch()) is not None:
            for group in by_need(batch):
                self._answer(group)

    def _answer(self, jobs: Sequence[Job]) -> None:
        """Run a group together; where that fails, one by one, so that one bad text spoils no other's answer."""
        try:
            self._compute(jobs)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].fail(error if isinstance(error, AttridexError) else RuntimeError(f"model: {error}"))
                return
            for job in jobs:
                self._answer([job])

    def _compute(self, jobs: Sequence[Job]) -> None:
        began = time.perf_counter()
        self.batched(len(jobs), sum(job.instance.tokens for job in jobs))
        for job, result in zip(jobs, self._results(jobs), strict=True):
            job.succeed(result, began)

    def _results(self, jobs: Sequence[Job]) -> Sequence["Signature | EditedOutputs | RenderedInstance"]:
        """What the model gives for jobs of one need."""
        instances, need, more = [job.instance for job in jobs], jobs[0].need, jobs[0].more
        if more:
            return [self._signer.continued(instance, more) for instance in instances]
        if need is None:
            return self._signer.edit(instances, [job.edits for job in jobs])
        return self._signer.sign(
            instances,
            gradient=need.gradient,
            neurons=need.neurons,
            label=need.label,
            tracin=need.tracin,
            fast=need.fast,
            output=need.output,
        )
