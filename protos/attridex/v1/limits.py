"""What a server takes and gives at most, in its plain form; `GetIndex` tells it."""

from dataclasses import dataclass

from attridex.v1.filters import NODES
from attridex.v1.requests import QUERIES

MESSAGE_FIELDS = 1 << 18
"""Fields of a message: what a reader of it makes is bounded by them, not by its bytes."""


@dataclass(frozen=True)
class Limits:
    """What a server takes and gives at most.

    Attributes:
        request_bytes: of a message, compressed and not.
        response_bytes: of a message.
        queries: of a request.
        results: queries times k, instances or r.
        ids: of a request.
        fields: of a request.
        interventions: of a request.
        neurons: named by one query or intervention.
        text_characters: of one record, and of a filter's literals.
        conditions: conditions and values of a filter.
        page_size: instances of a page.
        streams: of a client, open at once.
        calls: of a client that are worked on at once; others wait.
        connections: of all clients.
        idle_seconds: after which an idle connection or stream is ended.
        slow_seconds: after which an answer that is not taken ends the connection.
        connection_seconds: after which a connection is ended once its calls have.
        call_seconds: that a call without a deadline may take.
        requests_per_second: of a client; 0 for any number.
        message_fields: of a request, counted with those of the messages in it; a small one may have any number.
        waiting_bytes: of the requests of all clients that wait or are worked on.
    """

    request_bytes: int = 16 << 20
    response_bytes: int = 64 << 20
    queries: int = QUERIES
    results: int = 1 << 20
    ids: int = 10_000
    fields: int = 256
    interventions: int = 256
    neurons: int = 100_000
    text_characters: int = 1 << 20
    conditions: int = NODES
    page_size: int = 1000
    streams: int = 8
    calls: int = 8
    connections: int = 512
    idle_seconds: float = 300.0
    slow_seconds: float = 60.0
    connection_seconds: float = 86400.0
    call_seconds: float = 3600.0
    requests_per_second: float = 0.0
    message_fields: int = MESSAGE_FIELDS
    waiting_bytes: int = 512 << 20
