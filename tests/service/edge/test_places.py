"""Whatever fails, no client is told where on the server's disk an index lies."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.indexer.index.directory import write_lock
from attridex.indexer.index.records import seal
from attridex.service.calls.places import hide, show, without_places
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server, open_index
from attridex.v1 import admin_pb2, admin_pb2_grpc
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"
WAIT = 60
NO_COLUMN = pb.Filter(comparison=pb.Comparison(column="no", operator=1, value=pb.Literal(string_value="x")))
RECORD = pb.Query(id="q", record_json='{"premise": "the dog"}')


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An index of format 2, with every kind of file."""
    return Path(shutil.copytree(OLD, tmp_path / "secret-place" / "old"))


@pytest.fixture
def channel(old: Path) -> Iterator[grpc.Channel]:
    """A connection to a server of it, with look-ups alone."""
    server = Server({"mine": open_index(old, "mine", model=False)}, ServerOptions("127.0.0.1:0", insecure_admin=True))
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as own:
        yield own
    server.stop(0)


ASK: dict[str, Callable[[Any], Any]] = {
    "an index": lambda stub: stub.GetIndex(pb.GetIndexRequest(index="none"), timeout=WAIT),
    "an id": lambda stub: stub.GetInstances(pb.GetInstancesRequest(ids=["none"]), timeout=WAIT),
    "a query's id": lambda stub: stub.AttributeInstances(
        pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="none")]), timeout=WAIT
    ),
    "a model": lambda stub: stub.Predict(pb.PredictRequest(queries=[RECORD]), timeout=WAIT),
    "a page": lambda stub: stub.ListInstances(pb.ListInstancesRequest(page_token="none"), timeout=WAIT),
    "a column": lambda stub: stub.ListInstances(pb.ListInstancesRequest(where=NO_COLUMN), timeout=WAIT),
}
ADMIN: dict[str, Callable[[Any], Any]] = {
    "a version": lambda stub: stub.Activate(admin_pb2.ActivateRequest(version="99"), timeout=WAIT),
    "format 2": lambda stub: stub.DeleteInstances(admin_pb2.DeleteInstancesRequest(ids=["t1"]), timeout=WAIT),
    "no undelete": lambda stub: stub.UndeleteInstances(admin_pb2.UndeleteInstancesRequest(ids=["t1"]), timeout=WAIT),
    "no compaction": lambda stub: stub.Compact(admin_pb2.CompactRequest(), timeout=WAIT),
    "no pruning": lambda stub: stub.Prune(admin_pb2.PruneRequest(), timeout=WAIT),
}


def told(call: Callable[[Any], Any], stub: Any) -> str:
    """All that a failing call tells its client."""
    with pytest.raises(grpc.RpcError) as raised:
        call(stub)
    found: Any = raised.value
    return f"{found.code().name} {found.details()} {found.trailing_metadata()} {found.debug_error_string()}"


def test_no_failure_names_a_place(channel: grpc.Channel, old: Path) -> None:
    ask, admin = rpc.AttributionServiceStub(channel), admin_pb2_grpc.AdminServiceStub(channel)
    said = {name: told(call, ask) for name, call in ASK.items()} | {name: told(call, admin) for name, call in ADMIN.items()}
    with write_lock(old):
        said["busy"] = told(lambda stub: stub.Activate(admin_pb2.ActivateRequest(version="1"), timeout=WAIT), admin)
    current = (old / "CURRENT").read_text()
    (old / "CURRENT").write_text("9 none\n")
    said["no version"] = told(lambda stub: stub.Reload(admin_pb2.ReloadRequest(), timeout=WAIT), admin)
    said["problem"] = str(ask.GetIndex(pb.GetIndexRequest(), timeout=WAIT).index.problem)
    (old / "CURRENT").write_text(current)
    damaged = old / "shards/0000000016-0000000032/gradients.faiss"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    said["damage"] = told(lambda stub: stub.Reload(admin_pb2.ReloadRequest(), timeout=WAIT), admin)
    said["damage later"] = told(ASK["a query's id"], ask)
    request = pb.AttributeStreamRequest(sequence=1, attribute_instances=pb.AttributeInstancesRequest(queries=[RECORD]))
    (answer,) = ask.AttributeStream(iter([request]), timeout=WAIT)
    said["in a stream"] = str(answer.error)
    assert said["damage"].startswith("DATA_LOSS mine/shards/0000000016-0000000032/gradients.faiss: damaged")
    assert "mine/CURRENT" in said["problem"]
    assert {name: words for name, words in said.items() if "secret-place" in words or str(old.parents[1]) in words} == {}


def test_files_that_were_appended_later_are_hidden_after_a_reload(channel: grpc.Channel, old: Path) -> None:
    appended = old.parents[1] / "elsewhere" / "more.jsonl"
    assert "elsewhere" in without_places(str(appended))
    (old / "batches").mkdir()
    (old / "batches" / "2.json").write_bytes(seal({"files": [str(appended), "\0"]}))
    (old / "batches" / "3.json").write_bytes(seal({"files": 3}))
    (old / "batches" / "4.json").write_text("damaged")
    admin_pb2_grpc.AdminServiceStub(channel).Reload(admin_pb2.ReloadRequest(), timeout=WAIT)
    assert without_places(f"{appended}: gone") == "the corpus of mine: gone"


def test_a_relative_path_is_hidden_where_it_is_one() -> None:
    places = {Path("indices/mine"): "mine", Path("data"): "no word"}
    hide(places)
    assert without_places("indices/mine/CURRENT: no data at other/indices/mine") == "mine/CURRENT: no data at other/indices/mine"
    show(places)


def test_the_longer_of_two_places_counts_and_they_are_shown_again(tmp_path: Path) -> None:
    places = {tmp_path / "a": "first", tmp_path / "a" / "b": "second"}
    hide(places)
    assert without_places(f"{tmp_path / 'a' / 'b' / 'c'}: {tmp_path / 'a'}") == "second/c: first"
    show(places)
    assert "first" not in without_places(str(tmp_path / "a"))
