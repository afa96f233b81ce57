"""How to serve: what the command line, a test or another program decides."""

from dataclasses import dataclass, field
from pathlib import Path

from attridex.service.calls.live import Patience
from attridex.service.edge.security import Tls

GRACE_SECONDS = 10.0
"""How long calls under way may go on after a stop."""


@dataclass(frozen=True)
class ServerOptions:
    """How to serve.

    Attributes:
        listen: HOST:PORT; port 0 takes a free one.
        workers: threads for calls that need no model; four times as many for those that may wait for it.
        max_message_mb: limit on a message, either way; gRPC takes 2047 at most.
        admin: whether AdminService is offered.
        model: whether the models are loaded.
        verify: whether every file is read and checked first.
        threads: of a scan; as many as there are processors where None.
        watch: seconds after which a change of an index on the disk is followed at the latest; 0 for never by itself.
        mapped: map posting lists instead of reading them checked.
        grace: seconds that calls under way may go on after a stop.
        connections: at once, at most; one more is refused.
        age: seconds after which a connection is ended once its calls have; clients connect anew.
        patience: how long clients are waited for.
        operations: HOST:PORT of metrics and probes over HTTP; none where empty.
        audit: file that calls of AdminService are written to; the log where None.
        traces: where OpenTelemetry traces are sent, http://HOST:PORT; nowhere where empty.
    """

    listen: str = "127.0.0.1:50051"
    workers: int = 16
    max_message_mb: int = 256
    tls: Tls | None = None
    insecure: bool = False
    admin: bool = True
    model: bool = True
    verify: bool = True
    threads: int | None = None
    watch: float = 0.0
    mapped: bool = False
    grace: float = GRACE_SECONDS
    connections: int = 512
    age: float = 86400.0
    patience: Patience = field(default_factory=Patience)
    operations: str = ""
    audit: Path | None = None
    traces: str = ""

    @property
    def channel(self) -> list[tuple[str, int]]:
        """What gRPC is told."""
        limits = [(f"grpc.max_{way}_message_length", self.max_message_mb << 20) for way in ("receive", "send")]
        return [
            *limits,
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", STREAMS),
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.max_connection_idle_ms", milliseconds(self.patience.idle)),
            ("grpc.max_connection_age_ms", milliseconds(self.age)),
            ("grpc.max_connection_age_grace_ms", milliseconds(self.patience.longest)),
            ("grpc.server_handshake_timeout_ms", milliseconds(HANDSHAKE_SECONDS)),
            ("grpc.keepalive_time_ms", milliseconds(self.patience.slow)),
            ("grpc.keepalive_timeout_ms", milliseconds(HANDSHAKE_SECONDS)),
        ]


STREAMS = 128
"""Calls that one connection may have open; what is beyond `turns.AT_WORK` waits."""
HANDSHAKE_SECONDS = 20.0
"""How long a client may take to say that it speaks HTTP/2, or to answer a ping."""


def milliseconds(seconds: float) -> int:
    """Seconds as gRPC takes them; at least one millisecond, and no more than 24 days."""
    return max(1, min(int(1000 * seconds), 2**31 - 1))
