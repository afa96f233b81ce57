"""How to serve: what the command line, a test or another program decides."""

from dataclasses import dataclass, field
from pathlib import Path

from attridex.service.edge.security import Tls
from attridex.service.groups.dividing import Dividing
from attridex.v1.limits import Limits

GRACE_SECONDS = 10.0
"""How long calls under way may go on after a stop."""


@dataclass(frozen=True)
class ServerOptions:
    """How to serve.

    Attributes:
        listen: HOST:PORT, where port 0 takes a free one, or unix:PATH.
        socket_mode: of the file of a Unix socket: who may write to it may connect.
        workers: threads for calls that need no model; four times as many for those that may wait for it.
        admin: whether AdminService is offered, to those who have the role.
        tokens: the file of tokens; without one everybody may ask, and nobody may administrate.
        insecure_admin: whether everybody may administrate; on loopback alone.
        roots: directories outside of which lies nothing that a served index names; anywhere where there are none.
        own_code: whether Python code that lies beside a model may run.
        model: whether the models are loaded.
        models: places of models that lie elsewhere now: NAME=PLACE, or of one index PLACE.
        verify: whether every file is read and checked first.
        threads: of a scan; as many as there are processors where None.
        watch: seconds after which a change of an index on the disk is followed at the latest; 0 for never by itself.
        mapped: map posting lists instead of reading them checked.
        grace: seconds that calls under way may go on after a stop.
        limits: of requests, answers and connections.
        operations: HOST:PORT of metrics and probes over HTTP; none where empty.
        audit: file that calls of AdminService are written to; the log where None.
        memory: that the process may have, as 4GiB; as much as it takes where empty.
        search_device: where stored vectors are searched: "cpu", "cuda:N", or "auto".
        traces: where OpenTelemetry traces are sent, http://HOST:PORT; nowhere where empty.
        dividing: into which groups stored vectors are divided; in this process where None.
    """

    listen: str = "127.0.0.1:50051"
    socket_mode: int = 0o600
    workers: int = 16
    tls: Tls | None = None
    insecure: bool = False
    admin: bool = True
    tokens: Path | None = None
    insecure_admin: bool = False
    roots: tuple[Path, ...] = ()
    own_code: bool = False
    model: bool = True
    models: tuple[str, ...] = ()
    verify: bool = True
    threads: int | None = None
    watch: float = 0.0
    mapped: bool = False
    grace: float = GRACE_SECONDS
    limits: Limits = field(default_factory=Limits)
    operations: str = ""
    audit: Path | None = None
    traces: str = ""
    dividing: Dividing | None = None
    memory: str = ""
    search_device: str = "cpu"

    @property
    def channel(self) -> list[tuple[str, int]]:
        """What gRPC is told."""
        limits = self.limits
        return [
            ("grpc.max_receive_message_length", limits.request_bytes),
            ("grpc.max_send_message_length", -1),  # what is larger than an answer may be is refused before it is sent
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", STREAMS),
            ("grpc.max_allowed_incoming_connections", limits.connections),
            ("grpc.max_connection_idle_ms", milliseconds(limits.idle_seconds)),
            ("grpc.max_connection_age_ms", milliseconds(limits.connection_seconds)),
            ("grpc.max_connection_age_grace_ms", milliseconds(limits.call_seconds)),
            ("grpc.server_handshake_timeout_ms", milliseconds(HANDSHAKE_SECONDS)),
            ("grpc.keepalive_time_ms", milliseconds(limits.slow_seconds)),
            ("grpc.keepalive_timeout_ms", milliseconds(HANDSHAKE_SECONDS)),
        ]


STREAMS = 128
"""Calls that one connection may have open; what is beyond `Limits.calls` waits."""
HANDSHAKE_SECONDS = 20.0
"""How long a client may take to say that it speaks HTTP/2, or to answer a ping."""


def milliseconds(seconds: float) -> int:
    """Seconds as gRPC takes them; at least one millisecond, and no more than 24 days."""
    return max(1, min(int(1000 * seconds), 2**31 - 1))
