"""The client of administrators. `make async` writes `aio.py` from this file."""

from collections.abc import Sequence
from typing import Any

from attridex.client.arguments import as_filter
from attridex.client.connections import Connection
from attridex.client.errors import UsageError
from attridex.v1 import admin_pb2 as pb
from attridex.v1 import admin_pb2_grpc as stubs
from attridex.v1.administration import (
    ADMIN_ANSWERS,
    Compacted,
    Deleted,
    Migrated,
    Pruned,
    Repaired,
    Served,
    Undeleted,
    Verified,
    Version,
    Versions,
)
from attridex.v1.codec import filter_to_wire
from attridex.v1.filters import Filter
from attridex.v1.requests import as_names


class AdminClient(Connection):
    """Changes an index that a server serves, and which version of it is served; the server wants the role admin for it.

    Every call raises a subclass of `errors.ClientError`. What a call changes is served once it has answered. A call whose answer
    does not come (the timeout passed, the connection broke) may have been done all the same, and is not made again unasked.

        with AdminClient("127.0.0.1:50051", token=token) as admin:
            admin.delete_instances(where="source = 'withdrawn'")
    """

    _stubs = stubs.AdminServiceStub
    _once = True
    _seconds = 3600.0

    def reload(self) -> str:
        """Serve the version that CURRENT names now; gives its name."""
        served: Served = self._ask(pb.ReloadRequest)
        return served.index_version

    def list_versions(self) -> tuple[Version, ...]:
        """The versions on the disk, oldest first."""
        found: Versions = self._ask(pb.ListVersionsRequest)
        return found.versions

    def activate(self, version: str) -> str:
        """Make a version the current one, and serve it; what is deleted stays deleted. Gives the served version's name."""
        served: Served = self._ask(pb.ActivateRequest, version=version)
        return served.index_version

    def delete_instances(self, ids: Sequence[str] = (), *, where: str | Filter | None = None) -> Deleted:
        """Delete instances, in every version.

        Args:
            ids: of instances; that of a document or of a record covers its parts.
            where: or a filter string, see `filters.parse_filter`, that holds for them.

        Raises:
            UsageError: neither, or both.
        """
        condition = as_filter(where)
        if (condition is None) != bool(ids):
            raise UsageError("give ids, or where; what they name is deleted")
        found = None if condition is None else filter_to_wire(condition)
        deleted: Deleted = self._ask(pb.DeleteInstancesRequest, ids=as_names(ids), where=found)
        return deleted

    def undelete_instances(self, ids: Sequence[str]) -> Undeleted:
        """Undo the last delete of each id."""
        undeleted: Undeleted = self._ask(pb.UndeleteInstancesRequest, ids=as_names(ids))
        return undeleted

    def compact(self) -> Compacted:
        """Remove what is deleted, and older versions, from the disk. It cannot be undone."""
        compacted: Compacted = self._ask(pb.CompactRequest)
        return compacted

    def prune(self, keep: int = 1) -> Pruned:
        """Remove older versions that nobody reads from the disk, but the served one and the last `keep`."""
        if not isinstance(keep, int) or keep < 1:
            raise UsageError(f"keep = {keep}: the served version stays; give 1 or more")
        pruned: Pruned = self._ask(pb.PruneRequest, keep=keep)
        return pruned

    def verify(self) -> Verified:
        """Check every file of the index against what was written."""
        verified: Verified = self._ask(pb.VerifyRequest)
        return verified

    def repair(self) -> Repaired:
        """Mend a damaged index from what is whole, or by signing again, which may take as long as a build.

        Raises:
            DataLossError: something cannot be mended; it says what, and why.
        """
        repaired: Repaired = self._ask(pb.RepairRequest)
        return repaired

    def migrate(self) -> Migrated:
        """Make an index of format 2 one of format 3; nothing is signed again."""
        migrated: Migrated = self._ask(pb.MigrateRequest)
        return migrated

    def _ask(self, request: Any, **values: Any) -> Any:
        """The answer to a request of some kind, in plain form.

        Raises:
            UsageError: a value is none that the request has room for.
        """
        method = request.DESCRIPTOR.name.removesuffix("Request")
        try:
            message = request(index=self._index, **values)
        except (TypeError, ValueError):  # protobuf does not say of what
            given = ", ".join(f"{name} = {value!r}" for name, value in values.items() if value is not None)
            raise UsageError(f"{method}: {given[:200]}: not what it takes; ids and versions are texts") from None
        return ADMIN_ANSWERS[method].decode(self._call(method, message))
