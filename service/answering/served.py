"""An index being served: one object that answers every request about it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from attridex.indexer.held.waited import waited_for
from attridex.service.answering.attribute_instances import attribute_instances
from attridex.service.answering.attribute_neurons import attribute_neurons
from attridex.service.answering.call import Call, Tools
from attridex.service.answering.catalogue import describe_index, get_instances, list_instances
from attridex.service.answering.compute_signature import compute_signature
from attridex.service.answering.find_instances_by_neurons import find_instances_by_neurons
from attridex.service.answering.find_neurons_by_instances import find_neurons_by_instances
from attridex.service.answering.predict import predict
from attridex.service.answering.rank_instances import rank_instances
from attridex.service.caller import GONE, Caller, Checkpoint, never_cancelled, partly
from attridex.service.encoding.encoder import Encoder
from attridex.service.errors import CancelledError
from attridex.service.scoring.settle import Methods
from attridex.service.search.pages import PageToken, listing_digest
from attridex.service.search.planner import MASK_BYTES, Planner
from attridex.service.search.scan import Scanner
from attridex.service.storage.roots import batch_files, files, is_local, models
from attridex.service.storage.store import Store
from attridex.service.storage.version import IndexVersion
from attridex.service.storage.watch import Watch
from attridex.v1 import requests
from attridex.v1.answers import IndexInfo, Page
from attridex.v1.rankings import RankBlock
from attridex.v1.requests import ListInstancesRequest, RankInstancesRequest

USE_CASES: Mapping[type[Any], Callable[[Call, Any], Any]] = {
    requests.AttributeInstancesRequest: attribute_instances,
    requests.AttributeNeuronsRequest: attribute_neurons,
    requests.FindInstancesByNeuronsRequest: find_instances_by_neurons,
    requests.FindNeuronsByInstancesRequest: find_neurons_by_instances,
    requests.PredictRequest: predict,
    requests.ComputeSignatureRequest: compute_signature,
    requests.GetInstancesRequest: get_instances,
    requests.ListInstancesRequest: list_instances,
}
"""What answers each kind of request."""


class ServedIndex:
    """Answers requests about one index.

    Attributes:
        name: the index's name on the wire.
        store: its directory, whose version may be swapped between requests.
        tools: what its requests share.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder | None,
        name: str,
        methods: Methods,
        *,
        threads: int | None = None,
        watch: float = 0.0,
        masks: int = MASK_BYTES,
    ) -> None:
        """Serve an index.

        Args:
            store: the index.
            encoder: its model; without one only look-ups by instance id, vector and neurons are answered.
            name: what it is called on the wire.
            methods: the IA methods that can be asked for.
            threads: of a scan; as many as there are processors where None.
            watch: seconds after which a change of the index on the disk is followed at the latest; 0 for never by itself.
            masks: bytes of the masks of filters that are remembered.
        """
        self.store, self.name = store, name
        self.tools = Tools(name, encoder, methods, Planner(masks), Scanner(threads))
        self._info: tuple[str, IndexInfo] | None = None
        self._watch = Watch(store, watch)

    def answer(self, request: Any, checkpoint: Checkpoint = never_cancelled, client: str = "") -> Any:
        """The answer to a request, in the plain form that the contract pairs with it.

        Args:
            request: one of the kinds in `USE_CASES`.
            checkpoint: called between blocks of work; what it raises ends the work.
            client: whose turn it takes at the model.

        Raises:
            ServiceError: the request cannot be answered.
        """
        with waited_for(checkpoint), self._version_for(request) as version:
            answer = self.answer_from(version, request, Caller(checkpoint, client=client))
            if isinstance(answer, Page) and answer.next_page_token:
                self.store.keep(version)
            return answer

    def answer_from(self, version: IndexVersion, request: Any, caller: Caller) -> Any:
        """The answer to a request from an open version; see `answer`."""
        allowed = getattr(request, "allow_partial", False)
        with waited_for(caller.checkpoint), partly(caller.lacking if allowed else None):
            return USE_CASES[type(request)](self._call(version, caller), request)

    def rank(
        self, request: RankInstancesRequest, checkpoint: Checkpoint = never_cancelled, client: str = ""
    ) -> Iterator[RankBlock]:
        """The answer to a request for a whole ranking, block by block, all from one version; see `answer`."""
        with self.store.version() as version:
            with waited_for(checkpoint):
                blocks = rank_instances(self._call(version, Caller(checkpoint, client=client)), request)
            yield from blocks

    def _version_for(self, request: Any) -> AbstractContextManager[IndexVersion]:
        """The served version; for the next page of a listing the one that it began with."""
        if isinstance(request, ListInstancesRequest) and request.page_token:
            return self.store.at(PageToken.decode(request.page_token, listing_digest(self.name, request)).version)
        return self.store.version()

    def describe(self) -> IndexInfo:
        """What the index holds and can answer; made once a version."""
        with self.store.version(whole=False) as version:
            known, problem = self._info, self.store.problem  # another thread may set it, for another version
            if known is None or (known[0], known[1].version) != (version.sha256, version.manifest.version):
                known = (version.sha256, replace(describe_index(self._call(version)), watch_seconds=self._watch.seconds))
            if known is not self._info or known[1].problem != problem:
                known = self._info = (version.sha256, replace(known[1], problem=problem))
            return known[1]

    @property
    def places(self) -> dict[Path | str, str]:
        """Where it lies, and what it was made of, and what clients are told instead."""
        with self.store.version(whole=False) as version:
            config = version.manifest.config
        found: dict[Path | str, str] = {self.store.source.url: self.name} if self.store.source else {}
        named = [Path(self.store.opening.place or ""), *(path for _, path in models(config))]
        found |= {path: f"the model of {self.name}" for path in named if is_local(str(path))}
        records = [*(path for _, path in files(config)), *batch_files(self.store.index)]
        found |= dict.fromkeys(records, f"the corpus of {self.name}")
        return {**found, self.store.index: self.name}

    def _call(self, version: IndexVersion, caller: Caller | None = None) -> Call:
        return Call(self.tools, version, caller or Caller())

    def close(self, patience: float | None = None) -> bool:
        """Let model, threads and files go; whether the model's pass under way ended within `patience` seconds."""
        self._watch.close()
        ended = self.tools.encoder is None or self.tools.encoder.close(patience)
        self.tools.scanner.close()
        self.store.close()
        return ended


class Session:
    """Requests that are all answered from the same version of each index: the one that the first of them met."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self._lock = Lock()
        self._held = ExitStack()
        self._versions: dict[str, IndexVersion] = {}
        self._closed = False

    def answer(self, index: ServedIndex, request: Any, caller: Caller) -> Any:
        """The answer to a request; see `ServedIndex.answer`."""
        with self._lock:
            if self._closed:
                raise CancelledError(GONE)
            if index.name not in self._versions:
                self._versions[index.name] = self._held.enter_context(index.store.version())
            version = self._versions[index.name]
        with index.store.reading(version):
            return index.answer_from(version, request, caller)

    def close(self) -> None:
        """Let the versions go, each once nothing is answered from it any more."""
        with self._lock:
            self._closed = True
            self._held.close()
