"""An index being served: one object that answers every request about it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attridex.service.answering.attribute_instances import attribute_instances
from attridex.service.answering.attribute_neurons import attribute_neurons
from attridex.service.answering.call import Call, Tools
from attridex.service.answering.catalogue import describe_index, get_instances, list_instances, matching_rows
from attridex.service.answering.compute_signature import compute_signature
from attridex.service.answering.find_instances_by_neurons import find_instances_by_neurons
from attridex.service.answering.find_neurons_by_instances import find_neurons_by_instances
from attridex.service.answering.predict import predict
from attridex.service.caller import Caller, Checkpoint, never_cancelled
from attridex.service.encoding.encoder import Encoder
from attridex.service.scoring.settle import Methods
from attridex.service.search.planner import Planner
from attridex.service.search.scan import Scanner
from attridex.service.storage.store import Store
from attridex.v1 import requests
from attridex.v1.answers import IndexInfo
from attridex.v1.filters import Filter

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

    def __init__(self, store: Store, encoder: Encoder | None, name: str, methods: Methods, *, threads: int | None = None) -> None:
        """Serve an index.

        Args:
            store: the index.
            encoder: its model; without one only look-ups by instance id, vector and neurons are answered.
            name: what it is called on the wire.
            methods: the IA methods that can be asked for.
            threads: of a scan; as many as there are processors where None.
        """
        self.store, self.name = store, name
        self.tools = Tools(name, encoder, methods, Planner(), Scanner(threads))
        self._info: IndexInfo | None = None

    def answer(self, request: Any, checkpoint: Checkpoint = never_cancelled, client: str = "") -> Any:
        """The answer to a request, in the plain form that the contract pairs with it.

        Args:
            request: one of the kinds in `USE_CASES`.
            checkpoint: called between blocks of work; what it raises ends the work.
            client: whose turn it takes at the model.

        Raises:
            ServiceError: the request cannot be answered.
        """
        with self._call(Caller(checkpoint, client=client)) as call:
            return USE_CASES[type(request)](call, request)

    def describe(self) -> IndexInfo:
        """What the index holds and can answer; made once a version."""
        with self._call() as call:
            info = self._info  # another thread may set it, for another version
            if info is None or info.version != call.version.manifest.version:
                info = self._info = describe_index(call)
            return info

    def matching_rows(self, where: Filter) -> list[int]:
        """Rows that a condition holds for."""
        with self._call() as call:
            return matching_rows(call, where)

    @contextmanager
    def _call(self, caller: Caller | None = None) -> Iterator[Call]:
        with self.store.version() as version:
            yield Call(self.tools, version, caller or Caller())

    def close(self) -> None:
        """Let model, threads and files go."""
        if self.tools.encoder:
            self.tools.encoder.close()
        self.tools.scanner.close()
        self.store.close()
