"""The thin edge: convert, delegate, convert. Errors are raised as they are; `status` turns them into gRPC statuses."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from attridex.indexer.errors import nearest
from attridex.service.answering.attribution import Attribution
from attridex.service.edge import convert
from attridex.service.edge import convert_answers as answers
from attridex.service.edge.status import failure
from attridex.service.edge.stream import answered
from attridex.service.errors import CancelledError, DeadlineError, InvalidArgumentError, UnknownIndexError
from attridex.service.requests import Checkpoint
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc


class Context(Protocol):
    """What is needed of grpc.ServicerContext."""

    def is_active(self) -> bool:
        """Whether the caller still waits."""
        ...

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline."""
        ...


def checkpoint(context: Context) -> Checkpoint:
    """A function that raises once the caller has gone or its deadline has passed."""

    def check() -> None:
        left = context.time_remaining()
        if left is not None and left <= 0:
            raise DeadlineError("the deadline passed before the answer was ready; give the call more time, or ask for less")
        if not context.is_active():
            raise CancelledError("the caller went away")

    return check


class Indexes:
    """The indices of a server, by name."""

    def __init__(self, indexes: Mapping[str, Attribution]) -> None:
        """At least one."""
        self._indexes = dict(indexes)

    def get(self, name: str) -> Attribution:
        """The named index; the only one where no name is given.

        Raises:
            InvalidArgumentError: no name, and several indices.
            UnknownIndexError: no such index.
        """
        if not name and len(self._indexes) == 1:
            return next(iter(self._indexes.values()))
        if not name:
            raise InvalidArgumentError(f"index: this server has several; name one of {', '.join(sorted(self._indexes))}", "index")
        if name not in self._indexes:
            raise UnknownIndexError(f"index: no index '{name}' here; {nearest(name, self._indexes)}", "index")
        return self._indexes[name]

    def all(self) -> list[Attribution]:
        """Every index."""
        return list(self._indexes.values())


class AttributionServicer(rpc.AttributionServiceServicer):
    """attridex.v1.AttributionService."""

    def __init__(self, indexes: Indexes) -> None:
        """Answer from these indices."""
        self._indexes = indexes

    def AttributeInstances(self, request: pb.AttributeInstancesRequest, context: Any) -> pb.AttributeInstancesResponse:
        """IA."""
        index = self._indexes.get(request.index)
        answer = index.attribute_instances(convert.instances_request(request, index.live), checkpoint(context))
        return pb.AttributeInstancesResponse(info=answers.info(answer.info), results=answers.instances_results(answer))

    def AttributeNeurons(self, request: pb.AttributeNeuronsRequest, context: Any) -> pb.AttributeNeuronsResponse:
        """NA."""
        index = self._indexes.get(request.index)
        answer = index.attribute_neurons(convert.neurons_request(request), checkpoint(context))
        return pb.AttributeNeuronsResponse(info=answers.info(answer.info), results=answers.neurons_results(answer))

    def FindInstancesByNeurons(
        self, request: pb.FindInstancesByNeuronsRequest, context: Any
    ) -> pb.FindInstancesByNeuronsResponse:
        """NA-Instances."""
        index = self._indexes.get(request.index)
        answer = index.find_instances_by_neurons(convert.na_instances_request(request, index.live), checkpoint(context))
        return pb.FindInstancesByNeuronsResponse(info=answers.info(answer.info), results=answers.instances_results(answer))

    def FindNeuronsByInstances(
        self, request: pb.FindNeuronsByInstancesRequest, context: Any
    ) -> pb.FindNeuronsByInstancesResponse:
        """IA-Neurons."""
        index = self._indexes.get(request.index)
        answer = index.find_neurons_by_instances(convert.ia_neurons_request(request, index.live), checkpoint(context))
        return pb.FindNeuronsByInstancesResponse(info=answers.info(answer.info), results=answers.neurons_results(answer))

    def Predict(self, request: pb.PredictRequest, context: Any) -> pb.PredictResponse:
        """Probabilities under interventions."""
        index = self._indexes.get(request.index)
        answer = index.predict(convert.predict_request(request), checkpoint(context))
        return pb.PredictResponse(info=answers.info(answer.info), results=answers.predict_results(answer))

    def ComputeSignature(self, request: pb.ComputeSignatureRequest, context: Any) -> pb.ComputeSignatureResponse:
        """What the index would store."""
        index = self._indexes.get(request.index)
        answer = index.compute_signature(convert.signature_request(request), checkpoint(context))
        return pb.ComputeSignatureResponse(info=answers.info(answer.info), signatures=answers.signatures(answer))

    def GetInstances(self, request: pb.GetInstancesRequest, context: Any) -> pb.GetInstancesResponse:
        """Training instances by id."""
        index = self._indexes.get(request.index)
        version, found = index.get_instances(
            list(request.ids), list(request.fields), request.with_neurons, request.with_hidden, checkpoint(context)
        )
        return pb.GetInstancesResponse(index_version=version, instances=answers.instances(found))

    def ListInstances(self, request: pb.ListInstancesRequest, context: Any) -> pb.ListInstancesResponse:
        """Training instances page by page."""
        return answers.page(self._indexes.get(request.index).list_instances(convert.list_request(request), checkpoint(context)))

    def ListIndexes(self, request: pb.ListIndexesRequest, context: Any) -> pb.ListIndexesResponse:
        """All indices."""
        return pb.ListIndexesResponse(indexes=[answers.index_info(index.describe()) for index in self._indexes.all()])

    def GetIndex(self, request: pb.GetIndexRequest, context: Any) -> pb.GetIndexResponse:
        """One index."""
        return pb.GetIndexResponse(index=answers.index_info(self._indexes.get(request.index).describe()))

    def AttributeStream(
        self, request_iterator: Iterator[pb.AttributeStreamRequest], context: Any
    ) -> Iterator[pb.AttributeStreamResponse]:
        """Answer requests as they come, each when it is done, with a bounded number in flight."""
        calls: dict[str, Callable[[Any, Any], Any]] = {
            "attribute_instances": self.AttributeInstances,
            "attribute_neurons": self.AttributeNeurons,
            "find_instances_by_neurons": self.FindInstancesByNeurons,
            "find_neurons_by_instances": self.FindNeuronsByInstances,
            "predict": self.Predict,
        }

        def answer(message: pb.AttributeStreamRequest) -> pb.AttributeStreamResponse:
            kind = message.WhichOneof("request")
            try:
                if kind is None:
                    raise InvalidArgumentError("the stream's request is empty", "request")
                return pb.AttributeStreamResponse(
                    sequence=message.sequence, **{kind: calls[kind](getattr(message, kind), context)}
                )
            except CancelledError:
                raise  # the caller has gone, or the stream's deadline passed: that ends the stream, not this request alone
            except Exception as error:
                return pb.AttributeStreamResponse(sequence=message.sequence, error=failure(error))

        yield from answered(request_iterator, answer, checkpoint(context))
