"""What every call passes through: errors become statuses, calls are logged."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from attridex.service.edge.status import status
from attridex.service.errors import InvalidArgumentError

log = logging.getLogger("attridex.calls")


class Errors(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Turns exceptions of handlers into statuses with details, and logs each call."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Wrap the handler of a call."""
        handler = continuation(details)
        if handler is None:
            return None
        read = handler.request_deserializer and reading(handler.request_deserializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                unary(details.method, handler.unary_unary), read, handler.response_serializer
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                streamed(details.method, handler.stream_stream), read, handler.response_serializer
            )
        return handler


class Unreadable:
    """Stands for a request whose bytes are no message: raised from inside the call, where it can have a status."""


UNREADABLE = Unreadable()


def reading(deserialise: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A deserialiser that does not raise: gRPC would answer a bare INTERNAL."""

    def read(data: bytes) -> Any:
        try:
            return deserialise(data)
        except DecodeError:
            return UNREADABLE

    return read


def readable(request: Any) -> Any:
    """A request.

    Raises:
        InvalidArgumentError: its bytes are no message.
    """
    if request is UNREADABLE:
        raise InvalidArgumentError("the request cannot be read: it is damaged, or nested more than 100 messages deep")
    return request


def unary(method: str, behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A unary handler that never raises to gRPC."""

    def call(request: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            response = behaviour(readable(request), context)
        except Exception as error:
            abort(method, context, error)
        log.info("%s ok %.1f ms", method, 1e3 * (time.perf_counter() - began))
        return response

    return call


def streamed(method: str, behaviour: Callable[[Any, Any], Iterator[Any]]) -> Callable[[Any, Any], Iterator[Any]]:
    """A streaming handler that never raises to gRPC."""

    def call(requests: Any, context: Any) -> Iterator[Any]:
        began = time.perf_counter()
        try:
            yield from behaviour(map(readable, requests), context)
        except Exception as error:
            abort(method, context, error)
        log.info("%s ok %.1f ms", method, 1e3 * (time.perf_counter() - began))

    return call


def abort(method: str, context: Any, error: Exception) -> NoReturn:
    """End a call with the status of an error; what gRPC raised itself passes through."""
    if isinstance(error, grpc.RpcError) or type(error) is Exception:  # context.abort raises a bare Exception
        raise error
    found = status(error)
    log.info("%s %s", method, found.message)
    context.abort_with_status(rpc_status.to_status(found))
    raise error
