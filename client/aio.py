"""The same with asyncio. `make async` writes this file from `client.py`: change that one."""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Unpack, overload

import grpc

from attridex.client.arguments import Queries, ScoringKeywords, as_filter, as_scoring
from attridex.client.channel import kept
from attridex.client.connections import AsyncConnection, addressed, stream_answer, stream_message
from attridex.client.errors import ClientError
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import (
    Answer,
    IndexInfo,
    Instance,
    Instances,
    InstancesAnswer,
    NeuronsAnswer,
    Page,
    PredictAnswer,
    SignatureAnswer,
)
from attridex.v1.filters import Filter
from attridex.v1.rankings import RankBlock
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    ComputeSignatureRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    GetInstancesRequest,
    Intervention,
    ListInstancesRequest,
    PredictRequest,
    RankInstancesRequest,
    Request,
    Scoring,
    as_label,
    as_names,
    as_precision,
    as_queries,
)
from attridex.v1.rpcs import INDEX, RANK, RPCS


class AsyncClient(AsyncConnection):
    """Asks one index.

    Every call raises a subclass of `errors.ClientError`: `errors.ServiceError` for the server's answer, `errors.UsageError`
    for a call that was never sent.

        async with AsyncClient("127.0.0.1:50051") as client:
            answer = await client.attribute_instances([{"premise": "...", "hypothesis": "..."}], k=5, fields=["premise", "label"])
    """

    async def attribute_instances(
        self,
        queries: Queries,
        *,
        scoring: Scoring | None = None,
        k: int | None = None,
        where: str | Filter | None = None,
        label: str | None = None,
        fields: Sequence[str] = (),
        ascending: bool = False,
        group: str = "",
        allow_partial: bool = False,
        **keywords: Unpack[ScoringKeywords],
    ) -> InstancesAnswer:
        """IA: the training instances that a prediction owes most to.

        Args:
            queries: records (dicts) or `Query` objects.
            scoring: the method and its settings; or give them as `ScoringKeywords` (method, curvature, damping, ...).
            k: hits a query; default 10.
            where: a filter string, see `filters.parse_filter`.
            label: "gold" or "predicted": whose loss the query's gradient is of; default as the index was built.
            fields: columns to return with each hit.
            ascending: give the lowest scores instead.
            group: a column, as "document": scores of instances with the same value are summed before the k best are chosen.
            allow_partial: take an answer of fewer shards, where the server's shard groups do not all answer; `info` tells.
            keywords: what a `Scoring` holds; method "grad-dot" unless given.
        """
        chosen, condition = as_scoring(scoring, keywords), as_filter(where)
        return await self.send(
            AttributeInstancesRequest(
                as_queries(queries),
                chosen,
                k,
                condition,
                as_label(label),
                as_names(fields),
                ascending=ascending,
                group=group,
                allow_partial=allow_partial,
            )
        )

    async def rank_instances(
        self,
        queries: Queries,
        *,
        scoring: Scoring | None = None,
        where: str | Filter | None = None,
        label: str | None = None,
        dtype: str = "float32",
        **keywords: Unpack[ScoringKeywords],
    ) -> AsyncIterator[RankBlock]:
        """IA in full: the scores of all training instances, as arrays, block by block.

        `Ranking.of` puts the blocks together; each is about a mebibyte, however many instances there are.

        Args:
            queries: records (dicts) or `Query` objects.
            scoring: the method and its settings; or give them as `ScoringKeywords` (method, curvature, damping, ...).
            where: a filter string, see `filters.parse_filter`; others are left out.
            label: "gold" or "predicted": whose loss the query's gradient is of; default as the index was built.
            dtype: "float32", as fast as the memory and within each block's `bounds`, or "float64": the very scores of
                `attribute_instances`.
            keywords: what a `Scoring` holds; method "grad-dot" unless given.
        """
        chosen, condition = as_scoring(scoring, keywords), as_filter(where)
        asked = RankInstancesRequest(as_queries(queries), chosen, condition, as_label(label), as_precision(dtype))
        async for block in self._blocks(RANK.name, RANK.request.encode(addressed(asked, self._index))):
            yield RANK.answer.decode(block)

    async def attribute_neurons(self, queries: Queries, *, r: int = 20, method: str | None = None) -> NeuronsAnswer:
        """NA: the r neurons that a prediction owes most to; all kept ones for r = 0.

        Args:
            queries: records (dicts) or `Query` objects.
            r: neurons a query.
            method: "integrated-gradients", or "activation-gradient", which is approximate and takes one backward pass; the
                answer's `info.scale` says how well it ranks. Default as the index was built.
        """
        return await self.send(AttributeNeuronsRequest(as_queries(queries), r, method or ""))

    async def find_instances_by_neurons(
        self,
        queries: Queries,
        *,
        r: int = 5,
        k: int | None = None,
        similarity: str = "dcns",
        where: str | Filter | None = None,
        fields: Sequence[str] = (),
        group: str = "",
        allow_partial: bool = False,
    ) -> InstancesAnswer:
        """NA-Instances: the training instances that share a prediction's neurons.

        Args:
            queries: records (dicts) or `Query` objects.
            r: how many of the query's neurons count.
            k: hits a query; default 10.
            similarity: "dcns", by the query's top r neurons; or "activation" or "attribution", by dense signatures.
            where: a filter string, see `filters.parse_filter`.
            fields: columns to return with each hit.
            group: a column, as of `attribute_instances`.
            allow_partial: as of `attribute_instances`.
        """
        asked, condition = as_queries(queries), as_filter(where)
        return await self.send(
            FindInstancesByNeuronsRequest(
                asked, r, k, similarity, condition, as_names(fields), group=group, allow_partial=allow_partial
            )
        )

    async def find_neurons_by_instances(
        self,
        queries: Queries,
        *,
        scoring: Scoring | None = None,
        instances: int | None = None,
        r: int = 10,
        aggregate: str = "top-neuron",
        where: str | Filter | None = None,
        label: str | None = None,
        allow_partial: bool = False,
        **keywords: Unpack[ScoringKeywords],
    ) -> NeuronsAnswer:
        """IA-Neurons: the neurons of the instances that an IA method finds.

        Args:
            queries: records (dicts) or `Query` objects.
            scoring: the method and its settings; or give them as `ScoringKeywords` (method, curvature, damping, ...).
            instances: influential instances a query; default 10.
            r: neurons a query.
            aggregate: "top-neuron" or "summed".
            where: a filter string, see `filters.parse_filter`.
            label: "gold" or "predicted": whose loss the query's gradient is of; default as the index was built.
            allow_partial: as of `attribute_instances`.
            keywords: what a `Scoring` holds; method "grad-dot" unless given.
        """
        chosen, condition = as_scoring(scoring, keywords), as_filter(where)
        return await self.send(
            FindNeuronsByInstancesRequest(
                as_queries(queries), chosen, instances, r, aggregate, condition, as_label(label), allow_partial=allow_partial
            )
        )

    async def predict(self, queries: Queries, *, interventions: Sequence[Intervention] = ()) -> PredictAnswer:
        """Label probabilities, plain and under each intervention."""
        return await self.send(PredictRequest(as_queries(queries), tuple(interventions)))

    async def compute_signature(self, queries: Queries, *, label: str | None = None) -> SignatureAnswer:
        """What the index would store for a text: projected gradient, kept neurons, states."""
        return await self.send(ComputeSignatureRequest(as_queries(queries), as_label(label)))

    async def get_instances(
        self, ids: Sequence[str], *, fields: Sequence[str] = (), with_neurons: bool = False, with_hidden: bool = False
    ) -> tuple[Instance, ...]:
        """Training instances by id, in the order asked.

        Args:
            ids: of the instances.
            fields: columns to return; all where none is named.
            with_neurons: also the kept neurons.
            with_hidden: also the state that the head reads.
        """
        answer = await self.send(GetInstancesRequest(tuple(ids), as_names(fields), with_neurons, with_hidden))
        return answer.instances

    async def list_page(
        self,
        *,
        where: str | Filter | None = None,
        order_by: str = "row",
        page_size: int = 100,
        page_token: str = "",
        fields: Sequence[str] = (),
    ) -> Page:
        """One page of training instances.

        Args:
            where: a filter string, see `filters.parse_filter`.
            order_by: a column, "-" before it for descending.
            page_size: instances of a page.
            page_token: of the page before; empty for the first one.
            fields: columns to return; all where none is named.
        """
        return await self.send(ListInstancesRequest(as_filter(where), order_by, page_size, page_token, as_names(fields)))

    async def list_instances(
        self, *, where: str | Filter | None = None, order_by: str = "row", fields: Sequence[str] = (), page_size: int = 1000
    ) -> AsyncIterator[Instance]:
        """All training instances that a filter lets through.

        Args:
            where: a filter string, see `filters.parse_filter`.
            order_by: a column, "-" before it for descending.
            fields: columns to return; all where none is named.
            page_size: instances of one request.
        """
        token = ""
        while True:
            page = await self.list_page(where=where, order_by=order_by, page_size=page_size, page_token=token, fields=fields)
            for each in page.instances:
                yield each
            token = page.next_page_token
            if not token:
                return

    async def list_indexes(self) -> tuple[IndexInfo, ...]:
        """The indices of the server."""
        response = await self._call("ListIndexes", pb.ListIndexesRequest())
        return tuple(map(INDEX.decode, response.indexes))

    async def get_index(self) -> IndexInfo:
        """What the index holds and can answer."""
        response = await self._call("GetIndex", pb.GetIndexRequest(index=self._index))
        return INDEX.decode(response.index)

    @overload
    async def send(self, request: AttributeInstancesRequest | FindInstancesByNeuronsRequest) -> InstancesAnswer: ...

    @overload
    async def send(self, request: AttributeNeuronsRequest | FindNeuronsByInstancesRequest) -> NeuronsAnswer: ...

    @overload
    async def send(self, request: PredictRequest) -> PredictAnswer: ...

    @overload
    async def send(self, request: ComputeSignatureRequest) -> SignatureAnswer: ...

    @overload
    async def send(self, request: GetInstancesRequest) -> Instances: ...

    @overload
    async def send(self, request: ListInstancesRequest) -> Page: ...

    async def send(self, request: Any) -> Any:
        """Send a request that was made before; one that names no index asks the client's own."""
        rpc = RPCS[type(request)]
        response = await self._call(rpc.name, rpc.request.encode(addressed(request, self._index)))
        return rpc.answer.decode(response, getattr(request, "fields", ()))

    async def stream(self, requests: Iterable[tuple[int, Request]]) -> AsyncIterator[tuple[int, Answer | ClientError]]:
        """Send requests, each with a number of its own, and take answers as they are done.

        Yields:
            (number, answer), or the number with the ClientError of that request.

        Raises:
            ClientError: the stream ended before all were answered.
            Exception: what `requests` itself raised.
        """
        faults = list[Exception]()
        messages = kept((stream_message(sequence, request, self._index) for sequence, request in requests), faults)
        attempts = self._attempts()
        try:
            async for response in self._stub.AttributeStream(messages, metadata=attempts.metadata):
                yield response.sequence, stream_answer(response, attempts.request_id)
        except grpc.RpcError as error:
            raise faults[0] if faults else attempts.failure(error) from error
        except CancelledError:  # which gRPC makes of the same for asyncio
            if faults:
                raise faults[0] from None
            raise
