"""What is served to those who run the server: its witnesses, the second port, and whether it is ready."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from attridex.indexer.errors import MissingExtraError
from attridex.service.answering.served import ServedIndex
from attridex.service.operations.audit import Audit
from attridex.service.operations.logs import CallLog
from attridex.service.operations.web import Answer, Web, told
from attridex.service.operations.witness import Witness, Witnesses
from attridex.v1.requests import AttributeInstancesRequest, PredictRequest, Query, Scoring

if TYPE_CHECKING:
    from attridex.service.operations.metrics import IndexFacts, Metrics, Pool
    from attridex.service.operations.tracing import Tracing

ADMIN = "attridex.v1.AdminService"
log = logging.getLogger("attridex.service")


class Operating:
    """Watches a server, and tells of it.

    Attributes:
        witness: is told of every call.
    """

    def __init__(self, listen: str = "", audit: Path | None = None, traces: str = "", *, verified: bool = True) -> None:
        """Listen at once, so that a probe finds who is still opening its indices.

        Args:
            listen: HOST:PORT of the second port; none where empty.
            audit: file of the audit; the log where None.
            traces: where traces are sent, http://HOST:PORT; nowhere where empty.
            verified: whether all files are checked before an index is served.

        Raises:
            InputError: an address or a file cannot be had.
            MissingExtraError: a package is missing.
        """
        self._verified = verified
        self._indexes: Mapping[str, ServedIndex] = {}
        self._warm: set[str] = set()
        self._stopping, self._alive = False, _never
        self._metrics: Metrics | None = load_metrics() if listen else None
        self._tracing: Tracing | None = load_tracing(traces) if traces else None
        self._audit = Audit(ADMIN, audit)
        seen = (CallLog(), self._audit, self._metrics, self._tracing)
        self.witness: Witness = Witnesses(each for each in seen if each is not None)
        self._web = Web(listen, {"/metrics": self._page, "/healthz": self._health, "/readyz": self._ready}) if listen else None

    @property
    def port(self) -> int | None:
        """The second port; None where there is none."""
        return self._web.port if self._web else None

    def begin(
        self,
        indexes: Mapping[str, ServedIndex],
        pools: "Callable[[], Iterable[Pool]]",
        alive: Callable[[], bool],
        days_left: Callable[[], Mapping[str, float]],
    ) -> None:
        """Tell of these from now on, and warm them.

        Args:
            indexes: that are served, by name.
            pools: the threads that answer.
            alive: whether the server's loop runs.
            days_left: of the server's certificates, by what they are for.
        """
        self._indexes, self._alive = dict(indexes), alive
        if self._metrics:
            self._metrics.watch(lambda: [index_facts(name, index) for name, index in self._indexes.items()], pools, days_left)
            self._metrics.ready(self.ready)
            for name, index in indexes.items():
                if index.tools.encoder:
                    index.tools.encoder.batched = self._metrics.batch(name)
        if self._web:
            threading.Thread(target=self._warm_all, name="warming", daemon=True).start()

    def watch_replicas(self, there: Callable[[], Mapping[str, float]]) -> None:
        """Tell of the replicas of shard groups, too; see `Metrics.watch_replicas`."""
        if self._metrics:
            self._metrics.watch_replicas(there)

    def ready(self) -> bool:
        """Whether every index is whole and warmed, and no stop has begun."""
        opened = self._indexes.items()
        return bool(opened) and not self._stopping and all(name in self._warm and not each.store.damaged for name, each in opened)

    def stop(self) -> None:
        """Be ready no more."""
        self._stopping = True

    def close(self) -> bool:
        """Let port, file and collector go; whether the file's thread has ended."""
        if self._web:
            self._web.close()
        ended = self._audit.close()
        if self._tracing:
            self._tracing.close()
        return ended

    def _warm_all(self) -> None:
        for name, index in self._indexes.items():
            if not self._stopping:
                warm(index)
                self._warm.add(name)

    def _page(self, accept: str) -> Answer:
        return Answer(200, *self._metrics.page(accept)) if self._metrics else told(False, {})

    def _health(self, _accept: str) -> Answer:
        alive = not self._indexes or self._alive()
        return told(alive, {"alive": alive})

    def _ready(self, _accept: str) -> Answer:
        states = {
            name: {
                "version": index.describe().version, "whole": not index.store.damaged, "current": not index.store.problem,
                "warmed": name in self._warm, "verified": self._verified,
            }
            for name, index in self._indexes.items()
        }  # fmt: skip
        return told(self.ready(), {"ready": self.ready(), "stopping": self._stopping, "indexes": states})


def _never() -> bool:
    """Nothing runs yet."""
    return False


def load_metrics() -> "Metrics":
    """Metrics, whose package is needed only here."""
    try:
        from attridex.service.operations.metrics import Metrics
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--operations needs {error.name}: pip install 'attridex[service]'") from None
    return Metrics()


def load_tracing(endpoint: str) -> "Tracing":
    """Traces, whose packages are needed only here."""
    try:
        from attridex.service.operations.tracing import Tracing
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--traces needs {error.name}: pip install 'attridex[tracing]'") from None
    return Tracing(endpoint)


def index_facts(name: str, index: ServedIndex) -> "IndexFacts":
    """An index as it is now."""
    from attridex.service.operations.metrics import IndexFacts

    info, encoder = index.describe(), index.tools.encoder
    store = index.store
    facts = IndexFacts(name, info.version, info.instances, not store.damaged, not store.problem)
    if encoder is None:
        return facts
    cache = encoder.cache
    return replace(facts, waiting=encoder.waiting, cache_bytes=cache.size, cache_found=cache.found, cache_missed=cache.missed)


def warm(index: ServedIndex) -> None:
    """Ask an index once for what most ask, so that the first client does not wait for what is read and made at first use."""
    try:
        with index.store.version() as version:  # a page of a listing would hold it for the next one
            queries = tuple(map(Query.instance, version.first_ids(1)))
        if queries and (method := next(iter(index.describe().methods), "")):
            index.answer(AttributeInstancesRequest(queries, Scoring(method), 1))
        if queries and index.tools.encoder:
            index.answer(PredictRequest(queries))
    except Exception as error:  # whatever it is, it is served, and the next client is told
        log.warning("%s: not warmed: %s", index.name, error)
