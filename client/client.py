"""The client: the same calls against a server, or in this process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from attridex.client import calls, convert, models
from attridex.client.calls import Intervention, Query
from attridex.client.channel import Attempts, Tls, channel_options, with_retries
from attridex.client.errors import ClientError, from_failure, from_rpc
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

Queries = Iterable["Query | Mapping[str, Any]"]


class Client:
    """Asks one index.

    Every call raises a subclass of `errors.ClientError`: `errors.ServiceError` for the server's answer, `errors.UsageError`
    for a call that was never sent.

        with Client("127.0.0.1:50051") as client:
            answer = client.attribute_instances([{"premise": "...", "hypothesis": "..."}], k=5, fields=["premise", "label"])
    """

    def __init__(
        self,
        target: str,
        *,
        index: str = "",
        timeout: float = 60.0,
        tls: Tls | None = None,
        max_message_mb: int = 256,
        retries: int = 3,
    ) -> None:
        """Connect lazily to `target` (HOST:PORT).

        Args:
            target: the server's address.
            index: name of the index; may be empty where the server has one.
            timeout: seconds a call may take, retries included.
            tls: certificates; None connects in the clear.
            max_message_mb: limit on a message, either way.
            retries: how often a call is made again after the server was away or overloaded.
        """
        options = channel_options(max_message_mb)
        channel = grpc.secure_channel(target, tls.credentials(), options) if tls else grpc.insecure_channel(target, options)
        self._set(rpc.AttributionServiceStub(channel), channel, target, index, timeout, retries)

    def _set(self, stub: Any, closer: Any, target: str, index: str, timeout: float, retries: int) -> None:
        self._stub, self._closer, self._target = stub, closer, target
        self._index, self._timeout, self._retries = index, timeout, retries

    @classmethod
    def local(cls, index: str | Path, *, model: bool = True, verify: bool = True, timeout: float = 3600.0) -> Self:
        """Open an index in this process: the same servicer, no socket. Needs the extras `indexer`, `service` and `cpu`.

        Args:
            index: the index directory.
            model: whether to load the model; without it only look-ups by instance id, vector and neurons are answered.
            verify: whether to check every file first.
            timeout: seconds a call may take.
        """
        from attridex.service.edge.inprocess import InProcessStub

        stub = InProcessStub(Path(index), model=model, verify=verify)
        client = cls.__new__(cls)
        client._set(stub, stub, str(index), "", timeout, 0)
        return client

    def close(self) -> None:
        """End the connection."""
        self._closer.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def _call(self, method: str, request: Any) -> Any:
        return with_retries(getattr(self._stub, method), request, Attempts(self._timeout, self._retries, self._target))

    def attribute_instances(
        self,
        queries: Queries,
        *,
        method: str = "grad-dot",
        curvature: str | None = None,
        damping: float | None = None,
        lissa_scale: float | None = None,
        lissa_depth: int | None = None,
        seed: int | None = None,
        approximate: str | None = None,
        k: int | None = None,
        where: str | pb.Filter | None = None,
        label: str | None = None,
        fields: Sequence[str] = (),
        ascending: bool = False,
    ) -> models.InstancesAnswer:
        """IA: the training instances that a prediction owes most to.

        Args:
            queries: records (dicts) or `Query` objects.
            method: "grad-dot", "grad-cos", "influence", "lissa", "tracin", "trak", "rep-sim", "bm25" or "random".
            curvature: for influence and lissa; may be left out where the index has one.
            damping: lambda of (H + lambda I)^-1 for influence and trak, default a tenth of H's mean eigenvalue; of lissa.
            lissa_scale: of lissa, default 1e4.
            lissa_depth: steps of lissa, default 1000.
            seed: of random, default 0.
            approximate: "sq8", "rabitq", "ivf" or "auto": let a structure of the index find the hits; exact by default.
            k: hits a query; default 10.
            where: a filter string, see `filters.parse_filter`.
            label: "gold" or "predicted": whose loss the query's gradient is of; default as the index was built.
            fields: columns to return with each hit.
            ascending: give the lowest scores instead.
        """
        request = calls.attribute_instances(
            self._index, queries, method=method, curvature=curvature, damping=damping, lissa_scale=lissa_scale,
            lissa_depth=lissa_depth, seed=seed, approximate=approximate,
            k=k, where=where, label=label, fields=fields, ascending=ascending,
        )  # fmt: skip
        return self.attribute_instances_message(request)

    def attribute_instances_message(self, request: pb.AttributeInstancesRequest) -> models.InstancesAnswer:
        """Send a request made by `calls.attribute_instances`."""
        return convert.instances_answer(self._call("AttributeInstances", request), request.fields)

    def attribute_neurons(self, queries: Queries, *, r: int = 20, method: str | None = None) -> models.NeuronsAnswer:
        """NA: the r neurons that a prediction owes most to; all kept ones for r = 0.

        Args:
            queries: records (dicts) or `Query` objects.
            r: neurons a query.
            method: "integrated-gradients", or "activation-gradient", which is approximate and takes one backward pass; the
                answer's `info.scale` says how well it ranks. Default as the index was built.
        """
        return self.attribute_neurons_message(calls.attribute_neurons(self._index, queries, r=r, method=method))

    def attribute_neurons_message(self, request: pb.AttributeNeuronsRequest) -> models.NeuronsAnswer:
        """Send a request made by `calls.attribute_neurons`."""
        return convert.neurons_answer(self._call("AttributeNeurons", request))

    def find_instances_by_neurons(
        self,
        queries: Queries,
        *,
        r: int = 5,
        k: int | None = None,
        similarity: str = "dcns",
        where: str | pb.Filter | None = None,
        fields: Sequence[str] = (),
    ) -> models.InstancesAnswer:
        """NA-Instances: training instances found through the query's top r neurons ("dcns"), or by dense signatures."""
        request = calls.find_instances_by_neurons(
            self._index, queries, r=r, k=k, similarity=similarity, where=where, fields=fields
        )
        return self.find_instances_message(request)

    def find_instances_message(self, request: pb.FindInstancesByNeuronsRequest) -> models.InstancesAnswer:
        """Send a request made by `calls.find_instances_by_neurons`."""
        return convert.instances_answer(self._call("FindInstancesByNeurons", request), request.fields)

    def find_neurons_by_instances(
        self,
        queries: Queries,
        *,
        method: str = "grad-dot",
        curvature: str | None = None,
        damping: float | None = None,
        lissa_scale: float | None = None,
        lissa_depth: int | None = None,
        seed: int | None = None,
        approximate: str | None = None,
        instances: int | None = None,
        r: int = 10,
        aggregate: str = "top-neuron",
        where: str | pb.Filter | None = None,
        label: str | None = None,
    ) -> models.NeuronsAnswer:
        """IA-Neurons: the neurons of the instances that an IA method finds, by "top-neuron" or "summed"."""
        request = calls.find_neurons_by_instances(
            self._index, queries, method=method, curvature=curvature, damping=damping, lissa_scale=lissa_scale,
            lissa_depth=lissa_depth, seed=seed, approximate=approximate,
            instances=instances, r=r, aggregate=aggregate, where=where, label=label,
        )  # fmt: skip
        return self.find_neurons_message(request)

    def find_neurons_message(self, request: pb.FindNeuronsByInstancesRequest) -> models.NeuronsAnswer:
        """Send a request made by `calls.find_neurons_by_instances`."""
        return convert.neurons_answer(self._call("FindNeuronsByInstances", request))

    def predict(self, queries: Queries, *, interventions: Sequence[Intervention] = ()) -> models.PredictAnswer:
        """Label probabilities, plain and under each intervention."""
        return self.predict_message(calls.predict(self._index, queries, interventions=interventions))

    def predict_message(self, request: pb.PredictRequest) -> models.PredictAnswer:
        """Send a request made by `calls.predict`."""
        return convert.predict_answer(self._call("Predict", request))

    def compute_signature(self, queries: Queries, *, label: str | None = None) -> models.SignatureAnswer:
        """What the index would store for a text: projected gradient, kept neurons, states."""
        request = pb.ComputeSignatureRequest(
            index=self._index, queries=calls.query_messages(queries), label=calls.label_code(label)
        )
        return convert.signature_answer(self._call("ComputeSignature", request))

    def get_instances(
        self, ids: Sequence[str], *, fields: Sequence[str] = (), with_neurons: bool = False, with_hidden: bool = False
    ) -> tuple[models.Instance, ...]:
        """Training instances by id, in the order asked; all columns where no field is named."""
        request = pb.GetInstancesRequest(
            index=self._index, ids=ids, fields=fields, with_neurons=with_neurons, with_hidden=with_hidden
        )
        return convert.instances(self._call("GetInstances", request).instances, request.fields)

    def list_page(
        self,
        *,
        where: str | pb.Filter | None = None,
        order_by: str = "row",
        page_size: int = 100,
        page_token: str = "",
        fields: Sequence[str] = (),
    ) -> models.Page:
        """One page of training instances."""
        request = pb.ListInstancesRequest(
            index=self._index,
            where=calls.condition(where),
            order_by=order_by,
            page_size=page_size,
            page_token=page_token,
            fields=fields,
        )
        return convert.page(self._call("ListInstances", request), request.fields)

    def list_instances(
        self, *, where: str | pb.Filter | None = None, order_by: str = "row", fields: Sequence[str] = (), page_size: int = 1000
    ) -> Iterator[models.Instance]:
        """All training instances that a filter lets through; `order_by` is a column, "-" before it for descending."""
        token = ""
        while True:
            page = self.list_page(where=where, order_by=order_by, page_size=page_size, page_token=token, fields=fields)
            yield from page.instances
            token = page.next_page_token
            if not token:
                return

    def list_indexes(self) -> tuple[models.IndexInfo, ...]:
        """The indices of the server."""
        return tuple(map(convert.index_info, self._call("ListIndexes", pb.ListIndexesRequest()).indexes))

    def get_index(self) -> models.IndexInfo:
        """What the index holds and can answer."""
        return convert.index_info(self._call("GetIndex", pb.GetIndexRequest(index=self._index)).index)

    def stream(self, requests: Iterable[pb.AttributeStreamRequest]) -> Iterator[tuple[int, Any]]:
        """Send requests and take answers as they are done.

        Yields:
            (sequence, answer), where the answer is one of the answer dataclasses, or the ClientError of that request.
        """
        try:
            for response in self._stub.AttributeStream(iter(requests)):
                yield response.sequence, read_response(response)
        except grpc.RpcError as error:
            raise from_rpc(error, self._target) from error


def read_response(response: pb.AttributeStreamResponse) -> Any:
    """The answer, or the error, of one request of a stream."""
    kind = response.WhichOneof("response")
    if kind == "error":
        return from_failure(response.error.code, response.error.reason, response.error.message)
    if kind is None:
        return ClientError("the server sent an empty response; is it of another version?")
    return convert.STREAM[kind](getattr(response, kind))
