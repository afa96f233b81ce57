"""What every query command is given: whom to ask, and about what."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from attridex.client.calls import Query
from attridex.client.client import Client
from attridex.client.errors import UsageError
from attridex.client.records import read_records

BATCH = 32
"""Queries of one request."""


@dataclass(frozen=True)
class Asking:
    """What every query command is given."""

    queries: Path | None
    instances: list[str] | None
    index: Path | None
    server: str | None
    name: str
    limit: int | None
    out: Path | None
    timeout: float
    as_json: bool
    no_verify: bool

    def client(self) -> Client:
        """The client that is asked for.

        Raises:
            UsageError: neither or both of --index and --server.
        """
        if (self.index is None) == (self.server is None):
            raise UsageError("give one of --index INDEX (in this process) or --server HOST:PORT")
        if self.index is not None:
            from attridex.client.start import check_local

            check_local()
            return Client.local(self.index, verify=not self.no_verify, timeout=self.timeout)
        return Client(str(self.server), index=self.name, timeout=self.timeout)

    def sources(self) -> Iterator[Mapping[str, Any]]:
        """The queries, one at a time: records, or stand-ins for training instances.

        Raises:
            UsageError: neither or both of --queries and --instance.
        """
        if bool(self.queries) == bool(self.instances):
            raise UsageError("give one of --queries FILE or --instance ID")
        if self.queries:
            return islice(read_records(self.queries), self.limit)
        return ({"id": identity, "instance": Query.instance(identity)} for identity in islice(self.instances or [], self.limit))


def as_query(source: Mapping[str, Any]) -> Query | Mapping[str, Any]:
    """A source as the client takes it."""
    return source["instance"] if isinstance(source.get("instance"), Query) else source


def batches(sources: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Sources in groups of BATCH."""
    stream = iter(sources)
    while batch := list(islice(stream, BATCH)):
        yield batch
