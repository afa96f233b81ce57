"""Connections that calls go through: to a server, blocking or with asyncio, or to an index in this process."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from attridex.client.channel import Attempts, Options, Tls, bearer, channel_options, checked_request_id
from attridex.client.errors import ClientError, from_failure
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as stubs
from attridex.v1.answers import Answer
from attridex.v1.requests import Request
from attridex.v1.rpcs import RPCS, STREAMED


class Endpoint:
    """Whom a client asks: a target and one of its indices."""

    _stubs: Any = stubs.AttributionServiceStub
    _once = False
    _seconds = 60.0

    def __init__(
        self,
        target: str,
        *,
        index: str = "",
        timeout: float | None = None,
        tls: Tls | None = None,
        token: str | None = None,
        max_message_mb: int = 256,
        retries: int = 3,
        request_id: str | None = None,
    ) -> None:
        """Connect lazily to `target` (HOST:PORT).

        Args:
            target: the server's address.
            index: name of the index; may be empty where the server has one.
            timeout: seconds a call may take, retries included; 60 unless given, of administration 3600.
            tls: certificates; None connects in the clear.
            token: sent with each call, where the server asks for one; over TLS, to loopback or to a unix socket alone.
            max_message_mb: limit on a message, either way.
            retries: how often a call is made again after the server was away or overloaded.
            request_id: what the server's log calls every call of the client (metadata `x-request-id`); each is given a random
                name of its own unless given.

        Raises:
            UsageError: a certificate cannot be read, a token would travel in the clear, or a request id is none.
        """
        self._request_id = checked_request_id(request_id)
        self._metadata = bearer(token, target, tls)
        options = channel_options(max_message_mb, direct=bool(token) and tls is None)
        self._channel: Any = self._connect(target, tls.credentials() if tls else None, options)
        self._stub: Any = self._stubs(self._channel)
        self._target, self._index, self._retries = target, index, retries
        self._timeout = self._seconds if timeout is None else timeout

    @staticmethod
    def _connect(target: str, credentials: grpc.ChannelCredentials | None, options: Options) -> Any:
        raise NotImplementedError

    def _attempts(self) -> Attempts:
        name = uuid.uuid4().hex if self._request_id is None else self._request_id
        return Attempts(self._timeout, self._retries, self._target, self._metadata, self._once, name)


class Connection(Endpoint):
    """A server."""

    @staticmethod
    def _connect(target: str, credentials: grpc.ChannelCredentials | None, options: Options) -> grpc.Channel:
        return grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def _call(self, method: str, message: Any) -> Any:
        attempts = self._attempts()
        while True:
            try:
                return getattr(self._stub, method)(message, timeout=attempts.left(), metadata=attempts.metadata)
            except grpc.RpcError as error:
                time.sleep(attempts.pause(error))

    def _blocks(self, method: str, message: Any) -> Iterator[Any]:
        """An answer in blocks; it is asked for again only while nothing of it has come."""
        attempts, begun = self._attempts(), False
        while True:
            call = getattr(self._stub, method)(message, timeout=attempts.left(), metadata=attempts.metadata)
            try:
                for block in call:
                    begun = True
                    yield block
                return
            except grpc.RpcError as error:
                if begun:
                    raise attempts.failure(error) from error
                time.sleep(attempts.pause(error))
            finally:
                call.cancel()  # it goes on where the caller has left the answer


class Opened(Connection):
    """A server, or an index in this process."""

    @classmethod
    def local(
        cls, index: str | Path, *, model: bool | str = True, verify: bool = True, memory: str = "", timeout: float = 3600.0
    ) -> Self:
        """Open an index in this process: the same servicer, no socket. Needs the extras `indexer`, `service` and `cpu`.

        Args:
            index: the index directory.
            model: whether to load the model, or where it lies now; without it only look-ups by instance id, vector and neurons
                are answered.
            verify: whether to check every file first.
            memory: that this process may have, as "4GiB": vectors beyond it are read from the disk; any unless given.
            timeout: seconds a call may take.
        """
        from attridex.service.edge.inprocess import InProcessStub

        client = cls.__new__(cls)
        client._stub = client._channel = InProcessStub(Path(index), model=model, verify=verify, memory=memory)
        client._target, client._index, client._timeout, client._retries, client._metadata = str(index), "", timeout, 0, ()
        client._request_id = ""  # there is no log
        return client


class AsyncConnection(Endpoint):
    """A server, asked with asyncio."""

    @staticmethod
    def _connect(target: str, credentials: grpc.ChannelCredentials | None, options: Options) -> grpc.aio.Channel:
        if credentials:
            return grpc.aio.secure_channel(target, credentials, options)
        return grpc.aio.insecure_channel(target, options)

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close(None)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        await self.close()

    async def _call(self, method: str, message: Any) -> Any:
        attempts = self._attempts()
        while True:
            try:
                return await getattr(self._stub, method)(message, timeout=attempts.left(), metadata=attempts.metadata)
            except grpc.RpcError as error:
                await asyncio.sleep(attempts.pause(error))

    async def _blocks(self, method: str, message: Any) -> AsyncIterator[Any]:
        """An answer in blocks; it is asked for again only while nothing of it has come."""
        attempts, begun = self._attempts(), False
        while True:
            call = getattr(self._stub, method)(message, timeout=attempts.left(), metadata=attempts.metadata)
            try:
                async for block in call:
                    begun = True
                    yield block
                return
            except grpc.RpcError as error:
                if begun:
                    raise attempts.failure(error) from error
                await asyncio.sleep(attempts.pause(error))
            finally:
                call.cancel()  # it goes on where the caller has left the answer


def addressed(request: Any, index: str) -> Any:
    """A request to the index that it names, or else to this one."""
    return request if request.index else replace(request, index=index)


def stream_message(sequence: int, request: Request, index: str) -> pb.AttributeStreamRequest:
    """One request of a stream."""
    rpc = RPCS[type(request)]
    return pb.AttributeStreamRequest(sequence=sequence, **{rpc.field: rpc.request.encode(addressed(request, index))})


def stream_answer(response: pb.AttributeStreamResponse, request_id: str = "") -> Answer | ClientError:
    """The answer, or the error, of one request of a stream, which has an id."""
    kind = response.WhichOneof("response")
    if kind == "error":
        return from_failure(response.error.code, response.error.reason, response.error.message, request_id)
    if kind is None:
        return ClientError("the server sent an empty response; is it of another version?")
    answer: Answer = STREAMED[kind].answer.decode(getattr(response, kind))
    return answer
