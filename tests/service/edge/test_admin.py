"""Administration: what is deleted is counted on the current version, and every refusal has its code."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.service.caller import Waiter
from attridex.service.edge.admin import AdminServicer
from attridex.service.edge.servicer import Indexes
from attridex.service.errors import InvalidArgumentError
from attridex.v1 import admin_pb2, admin_pb2_grpc
from attridex.v1 import attribution_pb2 as pb
from tests.service.edge.test_errors_wire import details_of


def test_nothing_is_deleted_without_a_condition(stand_in: Any) -> None:
    servicer = AdminServicer(Indexes({"mine": stand_in}))
    with pytest.raises(InvalidArgumentError, match="a condition is needed") as raised:
        servicer.DeleteInstances(admin_pb2.DeleteInstancesRequest(), Waiter())
    assert raised.value.field == "where"


def test_administration_counts_what_it_deletes_on_the_current_version(own_server: Any, index: Path) -> None:
    from attridex.indexer.lifecycle.deleting import delete_rows

    delete_rows(index, [0, 2])  # another process moved CURRENT; the server still answers from version 1
    with grpc.insecure_channel(f"127.0.0.1:{own_server.port}") as channel:
        admin: Any = admin_pb2_grpc.AdminServiceStub(channel)
        comparison = pb.Comparison(column="genre", operator=pb.OPERATOR_EQUAL, value=pb.Literal(string_value="phone"))
        answer = admin.DeleteInstances(admin_pb2.DeleteInstancesRequest(where=pb.Filter(comparison=comparison)))
        assert (answer.index_version, answer.deleted) == ("1+2", 13)
        for request, code in (
            (admin_pb2.DeleteInstancesRequest(), grpc.StatusCode.INVALID_ARGUMENT),
            (admin_pb2.DeleteInstancesRequest(index="other"), grpc.StatusCode.NOT_FOUND),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                admin.DeleteInstances(request)
            assert raised.value.code() is code
        with pytest.raises(grpc.RpcError) as raised:
            admin.Activate(admin_pb2.ActivateRequest(version="9"))
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_index_being_written_is_said_to_be_busy(own_server: Any, index: Path) -> None:
    from attridex.indexer.index.directory import write_lock

    with grpc.insecure_channel(f"127.0.0.1:{own_server.port}") as channel, write_lock(index):
        admin: Any = admin_pb2_grpc.AdminServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            admin.Activate(admin_pb2.ActivateRequest(version="1"))
    assert raised.value.code() is grpc.StatusCode.ABORTED
    assert details_of(raised.value)[0] == "BUSY"


def test_ids_are_deleted_undeleted_and_compacted(own_server: Any, index: Path) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{own_server.port}") as channel:
        admin: Any = admin_pb2_grpc.AdminServiceStub(channel)
        deleted = admin.DeleteInstances(admin_pb2.DeleteInstancesRequest(ids=["t3", "t4"]))
        assert (deleted.deleted, deleted.index_version) == (2, "1+1")
        undeleted = admin.UndeleteInstances(admin_pb2.UndeleteInstancesRequest(ids=["t3"]))
        assert (undeleted.undeleted, undeleted.index_version) == (1, "1+2")
        compacted = admin.Compact(admin_pb2.CompactRequest())
        assert (compacted.removed, compacted.index_version, list(compacted.held)) == (1, "2+2", [])
        assert [v.version for v in admin.ListVersions(admin_pb2.ListVersionsRequest()).versions] == ["2"]
        assert list(admin.Prune(admin_pb2.PruneRequest()).removed) == []
        for call, request in (
            (admin.DeleteInstances, admin_pb2.DeleteInstancesRequest(ids=["none"])),
            (admin.UndeleteInstances, admin_pb2.UndeleteInstancesRequest(ids=["t4"])),
            (admin.UndeleteInstances, admin_pb2.UndeleteInstancesRequest()),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                call(request)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
