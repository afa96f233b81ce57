"""What every call passes through: errors become statuses, calls are logged."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from grpc_status import rpc_status

from attridex.service.status import status

log = logging.getLogger("attridex.calls")


class Errors(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Turns exceptions of handlers into statuses with details, and logs each call."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Wrap the handler of a call."""
        handler = continuation(details)
        if handler is None:
            return None
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                unary(details.method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                streamed(details.method, handler.stream_stream), handler.request_deserializer, handler.response_serializer
            )
        return handler


def unary(method: str, behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A unary handler that never raises to gRPC."""

    def call(request: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            response = behaviour(request, context)
        except Exception as error:
            abort(method, context, error)
        log.info("%s ok %.1f ms", method, 1e3 * (time.perf_counter() - began))
        return response

    return call


def streamed(method: str, behaviour: Callable[[Any, Any], Iterator[Any]]) -> Callable[[Any, Any], Iterator[Any]]:
    """A streaming handler that never raises to gRPC."""

    def call(requests: Any, context: Any) -> Iterator[Any]:
        try:
            yield from behaviour(requests, context)
        except Exception as error:
            abort(method, context, error)

    return call


def abort(method: str, context: Any, error: Exception) -> None:
    """End a call with the status of an error; gRPC's own abort passes through."""
    if not isinstance(error, grpc.RpcError) and type(error) is not Exception:
        found = status(error)
        log.info("%s %s", method, found.message)
        context.abort_with_status(rpc_status.to_status(found))
    raise error
