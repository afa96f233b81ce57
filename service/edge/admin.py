"""attridex.v1.AdminService: reload, versions, deletion."""

from typing import Any

from attridex.service.answering.lifecycle import delete_where
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

    def Reload(self, request: pb.ReloadRequest, context: Any) -> pb.ReloadResponse:
        """Serve what CURRENT names."""
        return pb.ReloadResponse(index_version=self._indexes.get(request.index).store.reload())

    def ListVersions(self, request: pb.ListVersionsRequest, context: Any) -> pb.ListVersionsResponse:
        """Versions on disk."""
        index = self._indexes.get(request.index)
        current = index.store.number
        versions = (
            pb.Version(version=m.number, current=m.number == current, instances=m.instances - m.deleted, created=m.created)
            for m in index.store.versions()
        )
        return pb.ListVersionsResponse(versions=versions)

    def Activate(self, request: pb.ActivateRequest, context: Any) -> pb.ActivateResponse:
        """Make a version current."""
        return pb.ActivateResponse(index_version=self._indexes.get(request.index).store.activate(request.version))

    def DeleteInstances(self, request: pb.DeleteInstancesRequest, context: Any) -> pb.DeleteInstancesResponse:
        """Delete instances, in every version."""
        index = self._indexes.get(request.index)
        condition = filter_from_wire(request.where) if request.HasField("where") else None
        if condition is None:
            raise InvalidArgumentError("where: a condition is needed; what it holds for is deleted", "where")
        deleted = delete_where(index.store, condition)
        return pb.DeleteInstancesResponse(index_version=index.store.reload(), deleted=deleted)
