"""A Unix socket is where others see it with its mode alone, and no server takes the place of a live one."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.indexer.errors import InputError
from attridex.service.access.socket_file import SocketFile, path_of
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from tests.service.edge.conftest import StandIn

ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])


def serve(path: Path, **options: Any) -> Server:
    server = Server({"mine": StandIn()}, ServerOptions(f"unix:{path}", **options))  # type: ignore[dict-item]
    server.start()
    return server


def answered(path: Path) -> bool:
    with grpc.insecure_channel(f"unix:{path}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        return len(rpc.AttributionServiceStub(channel).AttributeInstances(ASK, timeout=20).results) == 1


@pytest.mark.parametrize(("mask", "mode"), [(0o000, 0o600), (0o077, 0o660)])
def test_a_server_s_socket_has_the_mode_that_was_said_whatever_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    before = os.umask(mask)
    try:
        server = serve(path, socket_mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert answered(path)
    server.stop(0)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.sock.lock"]


def test_a_second_server_does_not_take_the_place_of_a_live_one_and_a_stale_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))  # nobody listens
    server = serve(path)
    with pytest.raises(InputError, match="another server has this address"):
        serve(path)
    assert answered(path)
    server.stop(0)
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(path))
        foreign.listen()
        with pytest.raises(InputError, match="another server listens there"):
            SocketFile(path, 0o600)
    assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_not_replaced(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    {"file": path.touch, "directory": path.mkdir, "link": lambda: path.symlink_to("elsewhere")}[kind]()
    with pytest.raises(InputError, match="something that is no socket lies there"):
        SocketFile(path, 0o600)


def test_a_place_that_cannot_be_had_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file"):
        SocketFile(tmp_path / "none" / "a.sock", 0o600)
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with pytest.raises(InputError, match="the path is too long"):
        SocketFile(deep / "a.sock", 0o600)
    assert [each.name for each in deep.iterdir()] == ["a.sock.lock"]


def test_addresses_are_read_as_grpc_reads_them() -> None:
    found = [path_of(each) for each in ("unix:/a/b", "unix:///a/b", "unix:b", "127.0.0.1:1")]
    assert found == [Path("/a/b"), Path("/a/b"), Path("b"), None]
