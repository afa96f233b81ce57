"""The service without a socket: the generated stub's methods, answered by the same servicer in this process."""

import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
from grpc_status import rpc_status

from attridex.indexer.held.memory import parse_size
from attridex.service.caller import Waiter
from attridex.service.calls.status import CODES, status
from attridex.service.edge.server import open_index
from attridex.service.edge.servicer import AttributionServicer, Indexes
from attridex.service.errors import ServiceError
from attridex.service.storage.memory import Memory
from attridex.v1 import attribution_pb2

SERVICE = attribution_pb2.DESCRIPTOR.services_by_name["AttributionService"]


class RequestsError(ServiceError):
    """The caller's own iterator of requests failed; over a socket, gRPC gives such a stream the same code."""

    code = "UNKNOWN"
    reason = "REQUESTS_FAILED"


def read(requests: Iterable[Any]) -> Iterator[Any]:
    """The caller's requests.

    Raises:
        RequestsError: its iterator failed.
    """
    try:
        yield from requests
    except Exception as error:
        raise RequestsError(f"the iterator of requests failed: {error}") from error


class InProcessError(grpc.RpcError):
    """What a remote call would have raised."""

    def __init__(self, error: Exception) -> None:
        """Carry the status of an error."""
        super().__init__(str(error))
        self._status = status(error)

    def code(self) -> grpc.StatusCode:
        """The status code."""
        return CODES[self._status.code]

    def details(self) -> str:
        """The status message."""
        return str(self._status.message)

    def trailing_metadata(self) -> Any:
        """Metadata with the status details."""
        return tuple(rpc_status.to_status(self._status).trailing_metadata)


class ServicerStub:
    """Has the methods of `AttributionServiceStub`, answered by a servicer."""

    def __init__(self, servicer: AttributionServicer) -> None:
        """Answer by this servicer."""
        for method in SERVICE.methods:
            if not (method.client_streaming or method.server_streaming):
                setattr(self, method.name, self._unary(getattr(servicer, method.name)))
        self._stream: Callable[[Iterator[Any], Any], Any] = servicer.AttributeStream
        self._ranking: Callable[[Any, Any], Any] = servicer.RankInstances

    @staticmethod
    def _unary(behaviour: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        def call(request: Any, timeout: float | None = None, **_: Any) -> Any:
            try:
                return behaviour(request, Waiter(timeout))
            except Exception as error:
                raise InProcessError(error) from error

        return call

    def AttributeStream(self, requests: Iterable[Any], timeout: float | None = None, **_: Any) -> Iterator[Any]:
        """The batch stream; a caller that takes no more answers stops the work on them."""
        context = Waiter(timeout)
        yield from self._taken(self._stream(read(requests), context), context)

    def RankInstances(self, request: Any, timeout: float | None = None, **_: Any) -> "Blocks":
        """A whole ranking; a caller that takes no more blocks stops the work on them."""
        context = Waiter(timeout)
        return Blocks(self._taken(self._ranking(request, context), context))

    @staticmethod
    def _taken(answers: Any, context: Waiter) -> Generator[Any]:
        """Answers until the caller takes no more."""
        try:
            # Not `yield from`: closing this generator has to cancel the work before it waits for it.
            for answer in answers:  # noqa: UP028
                yield answer
        except Exception as error:
            raise InProcessError(error) from error
        finally:
            context.end()
            answers.close()


class Blocks(Iterator[Any]):
    """The blocks of an answer, which may be left as those of gRPC are."""

    def __init__(self, answers: Generator[Any]) -> None:
        """None is made before it is taken."""
        self._answers = answers

    def __next__(self) -> Any:
        """The next one."""
        return next(self._answers)

    def cancel(self) -> None:
        """Make no more."""
        self._answers.close()


class InProcessStub(ServicerStub):
    """The stub of an index directory."""

    def __init__(self, index: Path, *, model: bool | str = True, verify: bool = True, memory: str = "") -> None:
        """Open an index; see `server.open_index` for what it raises.

        Args:
            index: its directory.
            model: whether to load the model; or where it lies now.
            verify: whether to read and check every file first.
            memory: that the process may have, as "4GiB"; as much as it takes where empty.
        """
        bound = Memory(parse_size(memory, "memory")) if memory else None
        self._index = open_index(index, index.resolve().name, model=model, verify=verify, memory=bound)
        super().__init__(AttributionServicer(Indexes({self._index.name: self._index})))
        self._end = weakref.finalize(self, self._index.close)  # also of a client that nobody closes, before the process ends

    def close(self) -> None:
        """Let the index go."""
        self._end()
