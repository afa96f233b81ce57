"""Prometheus metrics: what was asked and how it ended, seconds by stage, queues, batches, caches, versions, and the process."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from attridex.service.operations.witness import CallFacts, Ending, RequestFacts, Witness

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIZES = tuple(2**power for power in range(0, 15, 2))


@dataclass(frozen=True)
class IndexFacts:
    """An index as it is now.

    Attributes:
        name: on the wire.
        version: that is served.
        instances: that answers can hold.
        whole: whether its files are what was written.
        current: whether the version that CURRENT names is served.
        waiting: texts that wait for the model.
        cache_bytes: of the signatures that are remembered.
        cache_found: look-ups that found one.
        cache_missed: look-ups that did not.
    """

    name: str
    version: str
    instances: int
    whole: bool
    current: bool
    waiting: int = 0
    cache_bytes: int = 0
    cache_found: int = 0
    cache_missed: int = 0


class Pool(Protocol):
    """Threads: how many there are, are busy now, and how many calls wait for one."""

    name: str
    threads: int

    @property
    def busy(self) -> int:
        """Threads at work."""
        ...

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        ...


class Now:
    """What is measured when it is asked for."""

    def __init__(
        self,
        indexes: Callable[[], Iterable[IndexFacts]],
        pools: Callable[[], Iterable[Pool]],
        days_left: Callable[[], Mapping[str, float]],
    ) -> None:
        """Ask these; see `Metrics.watch`."""
        self._indexes, self._pools, self._days_left = indexes, pools, days_left

    def collect(self) -> Iterator[Metric]:
        """All of it, as it is now."""
        indexes, pools = list(self._indexes()), list(self._pools())
        yield info("attridex_index_info", "The version that is served.", [(each.name, each.version) for each in indexes])
        for name, words, value in INDEX_GAUGES:
            yield gauge(name, words, "index", {each.name: value(each) for each in indexes})
        found = CounterMetricFamily("attridex_cache_lookups", "Look-ups of signatures in the cache.", labels=["index", "found"])
        for each in indexes:
            found.add_metric([each.name, "yes"], each.cache_found)
            found.add_metric([each.name, "no"], each.cache_missed)
        yield found
        for name, words, count in POOL_GAUGES:
            yield gauge(name, words, "pool", {each.name: count(each) for each in pools})
        yield gauge(CERTIFICATES, "Days until the first certificate of a file expires.", "certificate", self._days_left())


class Replicas:
    """How many replicas there are when it is asked for."""

    def __init__(self, there: Callable[[], Mapping[str, float]]) -> None:
        """See `Metrics.watch_replicas`."""
        self._there = there

    def collect(self) -> Iterator[Metric]:
        """Those of each group, as it is now."""
        yield gauge("attridex_replicas", "Replicas of a shard group that answer.", "group", self._there())


INDEX_GAUGES: tuple[tuple[str, str, Callable[[IndexFacts], float]], ...] = (
    ("attridex_index_instances", "Instances that answers can hold.", lambda each: each.instances),
    (
        "attridex_index_whole",
        "1 where the index's files are what was written; 0: its answers are DATA_LOSS.",
        lambda each: each.whole,
    ),
    ("attridex_index_current", "1 where the version that CURRENT names is served.", lambda each: each.current),
    ("attridex_texts_waiting", "Texts that wait for the model.", lambda each: each.waiting),
    ("attridex_cache_bytes", "Size of the signatures that are remembered.", lambda each: each.cache_bytes),
)
CERTIFICATES = "attridex_certificate_days_left"
POOL_GAUGES: tuple[tuple[str, str, Callable[[Pool], float]], ...] = (
    ("attridex_threads", "Threads that answer calls.", lambda each: each.threads),
    ("attridex_threads_busy", "Threads that answer a call now.", lambda each: each.busy),
    ("attridex_calls_waiting", "Calls that wait for a thread.", lambda each: each.waiting),
)


def gauge(name: str, words: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A gauge with a value for each label.

    Args:
        name: of the gauge.
        words: that say what it is.
        label: of its values.
        values: by label.
    """
    family = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def info(name: str, words: str, pairs: Iterable[tuple[str, str]]) -> GaugeMetricFamily:
    """A gauge of 1 whose labels are what it says."""
    family = GaugeMetricFamily(name, words, labels=["index", "version"])
    for pair in pairs:
        family.add_metric(list(pair), 1.0)
    return family


class Metrics(Witness):
    """Counts what it sees."""

    def __init__(self) -> None:
        """Nothing yet."""
        disable_created_metrics()
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._calls = Counter("attridex_calls", "Calls that have ended.", ["rpc", "code"], registry=registry)
        self._under_way = Gauge("attridex_calls_under_way", "Calls that have begun and not ended.", ["rpc"], registry=registry)
        self._call_seconds = Histogram(
            "attridex_call_seconds", "Seconds that a call took, with its waits.", ["rpc"], registry=registry, buckets=SECONDS
        )
        self._requests = Counter(
            "attridex_requests", "Requests that were answered or refused, those of streams too.",
            ["rpc", "method", "index", "code", "streamed"], registry=registry,
        )  # fmt: skip
        self._request_seconds = Histogram(
            "attridex_request_seconds", "Seconds that a request took in its thread.", ["rpc"], registry=registry, buckets=SECONDS
        )
        self._stages = Histogram(
            "attridex_stage_seconds", "Seconds of a request in the model's queue, in the model (encode), in search.",
            ["rpc", "stage"], registry=registry, buckets=SECONDS,
        )  # fmt: skip
        sizes = {"registry": registry, "buckets": SIZES}
        self._batch_texts = Histogram("attridex_batch_texts", "Texts that the model was given together.", ["index"], **sizes)
        self._batch_tokens = Histogram("attridex_batch_tokens", "Tokens that the model was given together.", ["index"], **sizes)
        self._ready = Gauge("attridex_ready", "1 once all indices are verified and warmed, until a stop.", registry=registry)

    def watch(
        self,
        indexes: Callable[[], Iterable[IndexFacts]],
        pools: Callable[[], Iterable[Pool]],
        days_left: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Ask these whenever metrics are asked for.

        Args:
            indexes: as they are.
            pools: threads.
            days_left: of certificates, by what they are for.
        """
        self.registry.register(Now(indexes, pools, days_left))

    def watch_replicas(self, there: Callable[[], Mapping[str, float]]) -> None:
        """Ask this whenever metrics are asked for.

        Args:
            there: how many replicas of each group answer, by the group's name.
        """
        self.registry.register(Replicas(there))

    def ready(self, ready: Callable[[], bool]) -> None:
        """Ask this whether the server is ready."""
        self._ready.set_function(lambda: float(ready()))

    def begin(self, call: CallFacts) -> None:
        """See `Witness`."""
        self._under_way.labels(call.rpc).inc()

    def request(self, request: RequestFacts) -> None:
        """See `Witness`."""
        streamed = "yes" if request.streamed else "no"
        self._requests.labels(request.rpc, request.method, request.index, request.code, streamed).inc()
        self._request_seconds.labels(request.rpc).observe(request.seconds)
        if timings := request.timings:
            for stage, seconds in (("queue", timings.queue), ("encode", timings.encode), ("search", timings.search)):
                self._stages.labels(request.rpc, stage).observe(seconds)

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`."""
        self._under_way.labels(call.rpc).dec()
        self._calls.labels(call.rpc, how.code).inc()
        self._call_seconds.labels(call.rpc).observe(how.seconds)

    def batch(self, index: str) -> Callable[[int, int], None]:
        """What counts the texts and tokens that an index's model is given together."""
        texts, tokens = self._batch_texts.labels(index), self._batch_tokens.labels(index)

        def count(text_count: int, token_count: int) -> None:
            texts.observe(text_count)
            tokens.observe(token_count)

        return count

    def page(self, accept: str) -> tuple[str, bytes]:
        """The metrics in the form that a scraper accepts: its content type, and the bytes."""
        encode, kind = exposition.choose_encoder(accept)
        return kind, encode(self.registry)
