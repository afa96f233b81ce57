"""attridex.v1.AdminService: reload, versions, deletion."""

from attridex.service.answering.lifecycle import delete_where
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
        if condition is None:
            raise InvalidArgumentError("where: a condition is needed; what it holds for is deleted", "where")
        deleted = delete_where(index.store, condition)
        return pb.DeleteInstancesResponse(index_version=index.store.reload(), deleted=deleted)
