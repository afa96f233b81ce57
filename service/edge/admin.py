"""attridex.v1.AdminService: reload, versions, deletion."""

from attridex.service.answering.lifecycle import compact, delete_ids, delete_where, prune, undelete_ids
from attridex.service.caller import Waiter
from attridex.service.edge.servicer import Indexes
from attridex.service.errors import InvalidArgumentError
from attridex.v1 import admin_pb2 as pb
from attridex.v1 import admin_pb2_grpc as rpc
from attridex.v1.codec import filter_from_wire


class AdminServicer(rpc.AdminServiceServicer):
    """Changes which version is served."""

    def __init__(self, indexes: Indexes) -> None:
        """Administer these indices."""
        self._indexes = indexes

    def Reload(self, request: pb.ReloadRequest, context: Waiter) -> pb.ReloadResponse:
        """Serve what CURRENT names."""
        return pb.ReloadResponse(index_version=self._indexes.get(request.index, context.asker).store.reload())

    def ListVersions(self, request: pb.ListVersionsRequest, context: Waiter) -> pb.ListVersionsResponse:
        """Versions on disk."""
        index = self._indexes.get(request.index, context.asker)
        current = index.store.number
        versions = (
            pb.Version(version=m.number, current=m.number == current, instances=m.instances - m.deleted, created=m.created)
            for m in index.store.versions()
        )
        return pb.ListVersionsResponse(versions=versions)

    def Activate(self, request: pb.ActivateRequest, context: Waiter) -> pb.ActivateResponse:
        """Make a version current."""
        return pb.ActivateResponse(index_version=self._indexes.get(request.index, context.asker).store.activate(request.version))

    def DeleteInstances(self, request: pb.DeleteInstancesRequest, context: Waiter) -> pb.DeleteInstancesResponse:
        """Delete instances, in every version."""
        index = self._indexes.get(request.index, context.asker)
        condition = filter_from_wire(request.where) if request.HasField("where") else None
        if (condition is None) != bool(request.ids):
            raise InvalidArgumentError("where: a condition is needed, or ids, not both; what it holds for is deleted", "where")
        deleted = delete_ids(index.store, request.ids) if condition is None else delete_where(index.store, condition)
        return pb.DeleteInstancesResponse(index_version=index.store.reload(), deleted=deleted)

    def UndeleteInstances(self, request: pb.UndeleteInstancesRequest, context: Waiter) -> pb.UndeleteInstancesResponse:
        """Undo the last delete of each id."""
        index = self._indexes.get(request.index, context.asker)
        if not request.ids:
            raise InvalidArgumentError("ids: one or more are needed; each is undeleted", "ids")
        undeleted = undelete_ids(index.store, request.ids)
        return pb.UndeleteInstancesResponse(index_version=index.store.reload(), undeleted=undeleted)

    def Compact(self, request: pb.CompactRequest, context: Waiter) -> pb.CompactResponse:
        """Remove what is deleted from the disk."""
        index = self._indexes.get(request.index, context.asker)
        removed, held = compact(index.store)
        return pb.CompactResponse(index_version=index.store.reload(), removed=removed, held=held)

    def Prune(self, request: pb.PruneRequest, context: Waiter) -> pb.PruneResponse:
        """Remove older versions from the disk."""
        removed, held = prune(self._indexes.get(request.index, context.asker).store, request.keep or 1)
        return pb.PruneResponse(removed=removed, held=held)
