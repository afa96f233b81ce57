"""The asyncio client: the calls of `client.Client` over grpc.aio."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from attridex.client import calls, convert, models
from attridex.client.calls import Intervention
from attridex.client.channel import Attempts, Tls, channel_options
from attridex.client.client import Queries
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc


class AsyncClient:
    """Asks one index; see `client.Client` for arguments, answers and errors."""

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
        """Connect lazily to `target` (HOST:PORT)."""
        options = channel_options(max_message_mb)
        self._channel = (
            grpc.aio.secure_channel(target, tls.credentials(), options) if tls else grpc.aio.insecure_channel(target, options)
        )
        self._stub: Any = rpc.AttributionServiceStub(self._channel)
        self._target, self._index, self._timeout, self._retries = target, index, timeout, retries

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close(None)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        await self.close()

    async def _call(self, method: str, request: Any) -> Any:
        attempts = Attempts(self._timeout, self._retries, self._target)
        while True:
            try:
                return await getattr(self._stub, method)(request, timeout=attempts.left())
            except grpc.aio.AioRpcError as error:
                await asyncio.sleep(attempts.pause(error))

    async def attribute_instances(self, queries: Queries, **options: Any) -> models.InstancesAnswer:
        """IA; options as in `Client.attribute_instances`."""
        request = calls.attribute_instances(self._index, queries, **options)
        return convert.instances_answer(await self._call("AttributeInstances", request), request.fields)

    async def attribute_neurons(self, queries: Queries, *, r: int = 20, method: str | None = None) -> models.NeuronsAnswer:
        """NA; `method` as in `Client.attribute_neurons`."""
        request = calls.attribute_neurons(self._index, queries, r=r, method=method)
        return convert.neurons_answer(await self._call("AttributeNeurons", request))

    async def find_instances_by_neurons(self, queries: Queries, **options: Any) -> models.InstancesAnswer:
        """NA-Instances; options as in `Client.find_instances_by_neurons`."""
        request = calls.find_instances_by_neurons(self._index, queries, **options)
        return convert.instances_answer(await self._call("FindInstancesByNeurons", request), request.fields)

    async def find_neurons_by_instances(self, queries: Queries, **options: Any) -> models.NeuronsAnswer:
        """IA-Neurons; options as in `Client.find_neurons_by_instances`."""
        request = calls.find_neurons_by_instances(self._index, queries, **options)
        return convert.neurons_answer(await self._call("FindNeuronsByInstances", request))

    async def predict(self, queries: Queries, *, interventions: Sequence[Intervention] = ()) -> models.PredictAnswer:
        """Label probabilities, plain and under each intervention."""
        request = calls.predict(self._index, queries, interventions=interventions)
        return convert.predict_answer(await self._call("Predict", request))

    async def compute_signature(self, queries: Queries, *, label: str | None = None) -> models.SignatureAnswer:
        """What the index would store for a text."""
        request = pb.ComputeSignatureRequest(
            index=self._index, queries=calls.query_messages(queries), label=calls.label_code(label)
        )
        return convert.signature_answer(await self._call("ComputeSignature", request))

    async def get_instances(
        self, ids: Sequence[str], *, fields: Sequence[str] = (), with_neurons: bool = False, with_hidden: bool = False
    ) -> tuple[models.Instance, ...]:
        """Training instances by id."""
        request = pb.GetInstancesRequest(
            index=self._index, ids=ids, fields=fields, with_neurons=with_neurons, with_hidden=with_hidden
        )
        return convert.instances((await self._call("GetInstances", request)).instances, request.fields)

    async def list_instances(
        self, *, where: str | None = None, order_by: str = "row", fields: Sequence[str] = (), page_size: int = 1000
    ) -> AsyncIterator[models.Instance]:
        """All training instances that a filter lets through."""
        token = ""
        while True:
            request = pb.ListInstancesRequest(
                index=self._index,
                where=calls.condition(where),
                order_by=order_by,
                page_size=page_size,
                page_token=token,
                fields=fields,
            )
            page = convert.page(await self._call("ListInstances", request), request.fields)
            for instance in page.instances:
                yield instance
            token = page.next_page_token
            if not token:
                return

    async def list_indexes(self) -> tuple[models.IndexInfo, ...]:
        """The indices of the server."""
        return tuple(map(convert.index_info, (await self._call("ListIndexes", pb.ListIndexesRequest())).indexes))

    async def get_index(self) -> models.IndexInfo:
        """What the index holds and can answer."""
        return convert.index_info((await self._call("GetIndex", pb.GetIndexRequest(index=self._index))).index)
