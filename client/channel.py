"""Channels: addresses, TLS, message limits, and which failures are worth another try."""

import os
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc

from attridex.client.errors import ServiceError, UsageError, details_of, from_rpc, left_by_server, retry_hint
from attridex.indexer.errors import InputError
from attridex.indexer.files import private_text
from attridex.v1.addresses import is_local
from attridex.v1.rpcs import REQUEST_ID, is_request_id

LONGEST_SECONDS = 30.0
"""The longest that a caller waits for another try, jitter left out."""
Options = list[tuple[str, int]]
"""Settings of a channel, as gRPC takes them."""
TOKEN_VARIABLE = "ATTRIDEX_TOKEN"
"""Names the environment's token, for commands."""
Metadata = tuple[tuple[str, str], ...]
"""What goes with each call."""

Message = TypeVar("Message")


@dataclass(frozen=True)
class Tls:
    """PEM files: the CA that signed the server's certificate, and this client's own pair where the server asks for one."""

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Channel credentials.

        Raises:
            UsageError: a file cannot be read.
        """
        try:
            parts = [Path(path).read_bytes() if path else None for path in (self.ca, self.key, self.certificate)]
        except OSError as error:
            raise UsageError(f"TLS: {error.filename}: {error.strerror}") from None
        return grpc.ssl_channel_credentials(*parts)


def channel_options(max_message_mb: int, *, direct: bool = False) -> Options:
    """Message limits, both ways; no retries of gRPC's own beside ours, and, where `direct`, no proxy."""
    limit = max_message_mb << 20
    limits = [("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit), ("grpc.enable_retries", 0)]
    return [*limits, ("grpc.enable_http_proxy", 0)] if direct else limits


def bearer(token: str | None, target: str, tls: Tls | None) -> Metadata:
    """What a token adds to each call.

    Raises:
        UsageError: it is no token, or others could read it on its way.
    """
    if token is None:
        return ()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("the token is empty, or has characters other than printable ASCII")
    if tls is None and not is_local(target):
        raise UsageError(f"a token to {target} would travel in the clear; connect over TLS, or to loopback or a unix socket")
    return (("authorization", f"Bearer {token}"),)


def given_token(path: Path | None) -> str | None:
    """The token of a file, or else of the environment; None where there is none.

    Raises:
        UsageError: the file cannot be read, or others may read it.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        return private_text(path, pipes=True).strip()
    except InputError as error:
        raise UsageError(f"--token-file {error}") from None


def tls_of(ca: Path | None, certificate: Path | None, key: Path | None) -> Tls | None:
    """TLS from the options of a command; None where none is given.

    Raises:
        UsageError: half of a pair.
    """
    if bool(certificate) != bool(key):
        raise UsageError("--tls-cert and --tls-key go together")
    return Tls(ca, certificate, key) if ca or certificate else None


def kept(messages: Iterable[Message], faults: list[Exception]) -> Iterator[Message]:
    """Messages of a stream; what their own iterator raises is kept, since gRPC says no more than that it raised.

    Args:
        messages: to send.
        faults: takes the exception.
    """
    try:
        yield from messages
    except Exception as error:
        faults.append(error)
        raise


def worth_retrying(error: Any) -> bool:
    """Whether a call may succeed if made again: the server was away, or overloaded.

    A server whose shards are out of reach has asked them again for as long as it is told to.
    """
    code = error.code()
    return (
        (code == grpc.StatusCode.UNAVAILABLE and details_of(error)[0] != "SHARDS")
        or left_by_server(error)
        or (
            code == grpc.StatusCode.RESOURCE_EXHAUSTED
            and details_of(error)[0] in ("OVERLOADED", "")
            and "larger than max" not in (error.details() or "")
        )
    )


def may_be_done(error: Any) -> bool:
    """Whether a call that failed may have been done all the same: a server that refuses it says why."""
    return not details_of(error)[0]


def backoff(attempt: int, hint: float = 0.0) -> float:
    """Seconds before the next try: doubling from 0.1, with jitter; no sooner than the server hints, up to half a minute.

    Callers that were refused together do not come back together: the jitter is as long as the wait.
    """
    least = min(max(hint, 0.0), LONGEST_SECONDS)
    return least * random.uniform(1.0, 1.5) + min(0.1 * float(2**attempt), LONGEST_SECONDS) * random.uniform(0.5, 1.5)


def checked_request_id(name: str | None) -> str | None:
    """A name for calls, if any.

    Raises:
        UsageError: the server would give it another.
    """
    if name is not None and not is_request_id(name):
        raise UsageError(f"request_id: {name!a:.80} must be 1 to 128 printable ASCII characters without spaces")
    return name


@dataclass
class Attempts:
    """Tries of one call within its timeout.

    Attributes:
        timeout: seconds.
        retries: tries after the first, at most.
        target: the server.
        metadata: that each try is sent with.
        once: whether a call that may have been done is not made again.
        request_id: names all tries in the server's log; empty where it has none.
        made: tries up to now.
    """

    timeout: float
    retries: int
    target: str
    metadata: Metadata = ()
    once: bool = False
    request_id: str = ""
    made: int = 0

    def __post_init__(self) -> None:
        """The clock starts now."""
        self._until = time.monotonic() + self.timeout
        if self.request_id:
            self.metadata = (*self.metadata, (REQUEST_ID, self.request_id))

    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.001, self._until - time.monotonic())

    def pause(self, error: Any) -> float:
        """Seconds to wait before the next try.

        Raises:
            ServiceError: there is none: the failure is final, or tries or time are used up.
        """
        wait = backoff(self.made, retry_hint(error))
        self.made += 1
        again = worth_retrying(error) and not (self.once and may_be_done(error))
        if self.made > self.retries or not again or wait >= self.left():
            raise self.failure(error) from error
        return wait

    def failure(self, error: Any) -> ServiceError:
        """The exception for a try that failed."""
        return from_rpc(error, self.target, self.request_id)
