"""From texts to signatures and edited probabilities: one thread owns the model, batches what waits, and remembers answers."""

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from attridex.indexer.errors import AttridexError, InputError
from attridex.indexer.index.records import Manifest
from attridex.service.errors import CancelledError, DamagedIndexError, InvalidArgumentError, OverloadedError
from attridex.service.requests import Checkpoint, LabelSource, Timings

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance as Instance
    from attridex.indexer.signing.edits import EditedOutputs, NeuronEdit
    from attridex.indexer.signing.signature import Signature

WAITING = 4096
"""Jobs that may wait; one more is refused."""
BATCH_TOKENS = 8192
"""Tokens that are signed together."""
CACHE_BYTES = 256 << 20
"""Size of the signatures that are remembered."""
POLL_SECONDS = 0.05
"""How often a waiting caller looks whether it is still wanted."""


class ModelSigner(Protocol):
    """What the encoder needs of `indexer.signatures.Signer`."""

    def render(self, record: Mapping[str, Any], where: str, *, stored: bool = False, label_used: bool = True) -> "Instance":
        """Render a record; `stored` where it is an instance of the index, `label_used` where its label must be known."""
        ...

    def sign(
        self,
        instances: Sequence["Instance"],
        *,
        gradient: bool = True,
        neurons: bool = True,
        label: LabelSource = "gold",
        tracin: bool = False,
        fast: bool = False,
    ) -> list["Signature"]:
        """Sign instances."""
        ...

    def edit(self, instances: Sequence["Instance"], edits: Sequence[Sequence["NeuronEdit"]]) -> list["EditedOutputs"]:
        """What the model says under edits."""
        ...


@dataclass(frozen=True)
class Need:
    """What a caller wants to know of a text; `fast` neuron scores are activation times gradient."""

    gradient: bool
    neurons: bool
    label: LabelSource
    tracin: bool = False
    fast: bool = False

    @property
    def gold(self) -> bool:
        """Whether a record's own label counts."""
        return self.label == "gold" and (self.gradient or self.tracin)

    def entry(self, key: str) -> tuple[Any, ...]:
        """Name of a signature that holds just this."""
        return (key, self.label, self.gradient, self.neurons, self.tracin, self.fast)

    def answers(self, key: str) -> Iterator[tuple[Any, ...]]:
        """Names of signatures that hold at least this."""
        for gradient, neurons, tracin in product({True, self.gradient}, {True, self.neurons}, {True, self.tracin}):
            yield (key, self.label, gradient, neurons, tracin, self.fast)


@dataclass
class Job:
    """One text waiting for the model."""

    instance: "Instance"
    need: Need | None
    edits: Sequence["NeuronEdit"] = ()
    done: threading.Event = field(default_factory=threading.Event)
    began: float = 0.0
    ended: float = 0.0
    queued: float = field(default_factory=time.perf_counter)
    result: Any = None
    error: Exception | None = None
    abandoned: bool = False


class Cache:
    """Signatures by content, the longest unused dropped first."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes."""
        self._limit, self._size = limit, 0
        self._entries: OrderedDict[tuple[Any, ...], tuple[Signature, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, need: Need) -> "Signature | None":
        """A remembered signature with all that is needed."""
        with self._lock:
            for entry in need.answers(key):
                if entry in self._entries:
                    self._entries.move_to_end(entry)
                    return self._entries[entry][0]
        return None

    def put(self, key: str, need: Need, signature: "Signature") -> "Signature":
        """Remember a signature; the first one made of a text stays, so that a text asked twice at once has one answer.

        Returns:
            The signature that is remembered.
        """
        entry = need.entry(key)
        size = sum(value.nbytes for value in vars(signature).values() if isinstance(value, np.ndarray))
        with self._lock:
            if entry in self._entries:
                return self._entries[entry][0]
            self._size += size
            self._entries[entry] = (signature, size)
            while self._size > self._limit:
                self._size -= self._entries.popitem(last=False)[1][1]
        return signature


class Encoder:
    """Signs texts for many callers with one model."""

    def __init__(self, signer: ModelSigner, *, cache_bytes: int = CACHE_BYTES, waiting: int = WAITING) -> None:
        """Start the thread that owns the model."""
        self._signer = signer
        self._cache = Cache(cache_bytes)
        self._jobs: queue.Queue[list[Job] | None] = queue.Queue()
        self._limit, self._waiting = waiting, 0
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, manifest: Manifest) -> "Encoder":
        """Load the model that an index was built with.

        Raises:
            DamagedIndexError: the model there is another one now.
        """
        from attridex.indexer.signing.signer import Signer

        config = manifest.config
        signer = Signer.load(config)
        if signer.identity() != (manifest.model.hash, manifest.model.tokenizer_hash, manifest.checkpoints):
            raise DamagedIndexError(
                f"{config.model.path}: not the model that this index was built with (weights, configuration or tokenizer changed)"
                "; build the index anew, or serve it with --no-model"
            )
        return cls(signer)

    def close(self) -> None:
        """Finish what is under way and end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def render(self, record: Mapping[str, Any], where: str, *, stored: bool = False, label_used: bool = True) -> "Instance":
        """Render a record; `stored` where it is an instance of the index, `label_used` where its label must be known.

        Raises:
            InvalidArgumentError: a missing column, an unknown label that is used, an empty or too long text.
        """
        try:
            return self._signer.render(record, where, stored=stored, label_used=label_used)
        except InputError as error:
            raise InvalidArgumentError(str(error), "queries") from None

    def sign(self, instances: Sequence["Instance"], need: Need, timings: Timings, checkpoint: Checkpoint) -> list["Signature"]:
        """Signatures of instances; only those not remembered cost model work."""
        known = [self._cache.get(instance.key, need) for instance in instances]
        jobs = {at: Job(instances[at], need) for at, signature in enumerate(known) if signature is None}
        self._run(list(jobs.values()), timings, checkpoint)
        for at, job in jobs.items():
            known[at] = self._cache.put(job.instance.key, need, job.result)
        return [signature for signature in known if signature is not None]

    def edit(
        self, instance: "Instance", edits: Sequence["NeuronEdit"], timings: Timings, checkpoint: Checkpoint
    ) -> "EditedOutputs":
        """What the model says, unedited and under each edit."""
        job = Job(instance, None, edits)
        self._run([job], timings, checkpoint)
        result: EditedOutputs = job.result
        return result

    def _run(self, jobs: Sequence[Job], timings: Timings, checkpoint: Checkpoint) -> None:
        """Queue jobs and wait for them; a caller that goes away takes its jobs along."""
        try:
            self._put(jobs)
            for job in jobs:
                while not job.done.wait(POLL_SECONDS):
                    checkpoint()
        except BaseException:
            for job in jobs:
                job.abandoned = True
            raise
        for job in jobs:
            if job.error is not None:
                raise job.error
        if jobs:
            timings.queue += max(job.began - job.queued for job in jobs)
            timings.encode += max(job.ended for job in jobs) - min(job.began for job in jobs)

    def _put(self, jobs: Sequence[Job]) -> None:
        """Queue jobs in groups that may be signed together."""
        if self._closed:
            raise CancelledError("the server is stopping")
        with self._lock:
            if self._waiting + len(jobs) > self._limit:
                raise OverloadedError(f"more than {self._limit} texts wait for the model; try again")
            self._waiting += len(jobs)
        group: list[Job] = []
        tokens = 0
        for job in jobs:
            if tokens >= BATCH_TOKENS:
                self._jobs.put(group)
                group, tokens = [], 0
            group.append(job)
            tokens += job.instance.tokens
        if group:
            self._jobs.put(group)

    def _work(self) -> None:
        while (batch := self._gather()) is not None:
            for group in grouped(batch):
                self._answer(group)

    def _gather(self) -> list[Job] | None:
        """What has come in while the model was at work, up to the token budget; None when the encoder closes."""
        batch = self._jobs.get()
        if batch is None:
            return None
        tokens = sum(job.instance.tokens for job in batch)
        while tokens < BATCH_TOKENS:
            try:
                more = self._jobs.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._jobs.put(None)
                break
            batch = batch + more
            tokens += sum(job.instance.tokens for job in more)
        with self._lock:
            self._waiting -= len(batch)
        return [job for job in batch if not job.abandoned]

    def _answer(self, jobs: Sequence[Job]) -> None:
        """Run a group together; where that fails, one by one, so that one bad text spoils no other's answer."""
        try:
            self._compute(jobs)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].error = error if isinstance(error, AttridexError) else RuntimeError(f"model: {error}")
                jobs[0].began = jobs[0].began or time.perf_counter()
                jobs[0].ended = time.perf_counter()
                jobs[0].done.set()
                return
            for job in jobs:
                self._answer([job])

    def _compute(self, jobs: Sequence[Job]) -> None:
        began = time.perf_counter()
        instances = [job.instance for job in jobs]
        need = jobs[0].need
        results: Sequence[Any]
        if need is None:
            results = self._signer.edit(instances, [job.edits for job in jobs])
        else:
            results = self._signer.sign(
                instances,
                gradient=need.gradient,
                neurons=need.neurons,
                label=need.label,
                tracin=need.tracin,
                fast=need.fast,
            )
        for job, result in zip(jobs, results, strict=True):
            job.result, job.began, job.ended = result, began, time.perf_counter()
            job.done.set()


def grouped(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs with the same need run together."""
    groups: dict[Need | None, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.need, []).append(job)
    return list(groups.values())
