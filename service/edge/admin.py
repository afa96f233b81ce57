"""attridex.v1.AdminService: what an administrator changes.

What was begun is done, also where the caller has gone meanwhile: it may be half written, and what is left of it would wait for
the next change. `Verify` changes nothing, and stops.
"""

from types import SimpleNamespace

from attridex.service.answering import lifecycle
from attridex.service.answering.served import ServedIndex
from attridex.service.caller import Waiter
from attridex.service.calls.places import without_places
from attridex.service.edge.bounds import check_request
from attridex.service.edge.servicer import Indexes
from attridex.service.errors import InvalidArgumentError, MachineError
from attridex.v1 import admin_pb2 as pb
from attridex.v1 import admin_pb2_grpc as rpc
from attridex.v1.codec import filter_from_wire
from attridex.v1.limits import Limits


class AdminServicer(rpc.AdminServiceServicer):
    """Changes indices, and which version of them is served."""

    def __init__(self, indexes: Indexes, limits: Limits | None = None) -> None:
        """Administer these indices, by requests within the limits."""
        self._indexes, self._limits = indexes, limits or Limits()

    def _index(self, name: str, context: Waiter) -> ServedIndex:
        return self._indexes.get(name, context.asker)

    def _own(self, name: str, context: Waiter) -> ServedIndex:
        """An index that is changed here.

        Raises:
            MachineError: it is a copy of one in object storage: a change here would be lost.
        """
        index = self._index(name, context)
        if index.store.source:
            raise MachineError(f"{index.name} is a copy of an index in object storage; change it by its URL, this server follows")
        return index

    def Reload(self, request: pb.ReloadRequest, context: Waiter) -> pb.ReloadResponse:
        """Serve what CURRENT names."""
        return pb.ReloadResponse(index_version=self._index(request.index, context).store.reload())

    def ListVersions(self, request: pb.ListVersionsRequest, context: Waiter) -> pb.ListVersionsResponse:
        """Versions on disk."""
        from attridex.indexer.lifecycle.versions import is_read

        index = self._index(request.index, context)
        current = index.store.number
        versions = (
            pb.Version(
                version=m.number,
                current=m.number == current,
                instances=m.instances - m.deleted,
                created=m.created,
                deleted=m.deleted,
                added=m.added,
                read=is_read(index.store.index, m.number),
            )
            for m in index.store.versions()
        )
        return pb.ListVersionsResponse(versions=versions)

    def Activate(self, request: pb.ActivateRequest, context: Waiter) -> pb.ActivateResponse:
        """Make a version current."""
        return pb.ActivateResponse(index_version=self._own(request.index, context).store.activate(request.version))

    def DeleteInstances(self, request: pb.DeleteInstancesRequest, context: Waiter) -> pb.DeleteInstancesResponse:
        """Delete instances, in every version."""
        store = self._own(request.index, context).store
        condition = filter_from_wire(request.where) if request.HasField("where") else None
        check_request(SimpleNamespace(ids=request.ids, where=condition), self._limits)
        if (condition is None) != bool(request.ids):
            raise InvalidArgumentError("where: a condition is needed, or ids, not both; what it holds for is deleted", "where")
        by = context.asker.name
        if condition is None:
            deleted = lifecycle.delete_ids(store, request.ids, by)
        else:
            deleted = lifecycle.delete_where(store, condition, by)
        return pb.DeleteInstancesResponse(index_version=store.served, deleted=deleted)

    def UndeleteInstances(self, request: pb.UndeleteInstancesRequest, context: Waiter) -> pb.UndeleteInstancesResponse:
        """Undo the last delete of each id."""
        store = self._own(request.index, context).store
        check_request(request, self._limits)
        if not request.ids:
            raise InvalidArgumentError("ids: one or more are needed; each is undeleted", "ids")
        undeleted = lifecycle.undelete_ids(store, request.ids, context.asker.name)
        return pb.UndeleteInstancesResponse(index_version=store.served, undeleted=undeleted)

    def Compact(self, request: pb.CompactRequest, context: Waiter) -> pb.CompactResponse:
        """Remove what is deleted from the disk."""
        store = self._own(request.index, context).store
        removed, held = lifecycle.compact(store)
        return pb.CompactResponse(index_version=store.served, removed=removed, held=held)

    def Prune(self, request: pb.PruneRequest, context: Waiter) -> pb.PruneResponse:
        """Remove older versions from the disk."""
        removed, held = lifecycle.prune(self._own(request.index, context).store, request.keep or 1)
        return pb.PruneResponse(removed=removed, held=held)

    def Verify(self, request: pb.VerifyRequest, context: Waiter) -> pb.VerifyResponse:
        """Check every file."""
        found = lifecycle.verify(self._index(request.index, context).store, context.check)
        return pb.VerifyResponse(files=found.files, problems=map(without_places, found.problems), damaged=found.damaged)

    def Repair(self, request: pb.RepairRequest, context: Waiter) -> pb.RepairResponse:
        """Mend what is damaged."""
        store = self._own(request.index, context).store
        mended = map(without_places, lifecycle.repair(store))
        return pb.RepairResponse(index_version=store.served, mended=mended)

    def Migrate(self, request: pb.MigrateRequest, context: Waiter) -> pb.MigrateResponse:
        """Make an index one of today's format."""
        store = self._own(request.index, context).store
        written = lifecycle.migrate(store)
        return pb.MigrateResponse(index_version=store.served, format=written)
