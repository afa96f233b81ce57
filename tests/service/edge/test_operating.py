"""What those who run a server see of real calls: ids, audit, metrics and probes, over real sockets."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from attridex.indexer.index.directory import list_versions
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.versions import prune
from attridex.indexer.renewal.compaction import compact
from attridex.service.edge.operating import Operating, warm
from attridex.service.edge.server import Server, ServerOptions, open_index
from attridex.service.errors import ModelRequiredError, UnknownInstanceError
from attridex.v1 import admin_pb2, admin_pb2_grpc
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

WAIT = 20
REQUEST = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])


@pytest.fixture
def run(stand_in: Any) -> Iterator[Callable[..., tuple[Operating, grpc.Channel]]]:
    """Start a server that is watched."""
    held: list[tuple[Server, Operating, grpc.Channel]] = []
    stand_in.tools = SimpleNamespace(encoder=None)
    stand_in.reload = lambda: "2"
    stand_in.describe = lambda: SimpleNamespace(version="1", instances=5, methods=("grad-dot",))

    def start(tokens: Path | None = None, **options: Any) -> tuple[Operating, grpc.Channel]:
        operating = Operating("127.0.0.1:0", **options)
        chosen = ServerOptions("127.0.0.1:0", insecure_admin=tokens is None, tokens=tokens)
        server = Server({"mine": stand_in}, chosen, operating)
        server.start()
        held.append((server, operating, grpc.insecure_channel(f"127.0.0.1:{server.port}")))
        return operating, held[-1][-1]

    yield start
    for server, operating, channel in held:
        channel.close()
        server.stop(0)
        operating.close()


def page(operating: Operating, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", operating.port or 0, timeout=WAIT)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def counted(operating: Operating, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(page(operating, "/metrics")[1])
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def request_id(call: Any) -> str:
    return str(dict(call.trailing_metadata())["x-request-id"])


@pytest.mark.parametrize("fails", [False, True])
def test_a_call_is_given_its_client_s_id_or_one_of_its_own_also_where_it_fails(run: Any, stand_in: Any, fails: bool) -> None:
    def refuse(_request: Any, _checkpoint: Any) -> None:
        if fails:
            raise UnknownInstanceError("no such thing")

    stand_in.behaviour = refuse
    _, channel = run()
    ids = []
    for given in ("mine-1", "mine-1", None, "no id, since it has spaces"):
        metadata = [("x-request-id", given)] if given else []
        call = rpc.AttributionServiceStub(channel).AttributeInstances.future(REQUEST, timeout=WAIT, metadata=metadata)
        assert (call.exception() is not None) is fails
        ids.append(request_id(call))
    assert ids[:2] == ["mine-1"] * 2
    assert len(set(ids)) == 3
    stream = rpc.AttributionServiceStub(channel).AttributeStream(iter([]), metadata=[("x-request-id", "mine-2")], timeout=WAIT)
    assert list(stream) == []
    assert request_id(stream) == "mine-2"


def test_requests_are_counted_by_rpc_method_index_and_status_also_within_streams(run: Any, stand_in: Any) -> None:
    operating, channel = run()
    stub = rpc.AttributionServiceStub(channel)
    for index in ("mine", "made-up-1", "made-up-2"):
        request = pb.AttributeInstancesRequest(index=index, queries=REQUEST.queries)
        request.method = "grad-cos"
        try:
            stub.AttributeInstances(request, timeout=WAIT)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND  # noqa: PT017 - one of three raises nothing

    def refuse(_request: Any, _checkpoint: Any) -> None:
        raise ModelRequiredError("no model")

    stand_in.behaviour = refuse
    asked = pb.AttributeInstancesRequest(queries=REQUEST.queries)
    asked.method = "made-up"
    (answer,) = stub.AttributeStream(iter([pb.AttributeStreamRequest(sequence=1, attribute_instances=asked)]), timeout=WAIT)
    assert answer.error.reason == "MODEL_REQUIRED"
    assert counted(operating, "attridex_requests_total") == {
        ("OK", "mine", "grad-cos", "AttributeInstances", "no"): 1,
        ("NOT_FOUND", "", "", "AttributeInstances", "no"): 2,  # what clients make up is no label
        ("FAILED_PRECONDITION", "mine", "", "AttributeInstances", "yes"): 1,
    }
    calls = counted(operating, "attridex_calls_total")
    assert calls["NOT_FOUND", "/attridex.v1.AttributionService/AttributeInstances"] == 2
    assert calls["OK", "/attridex.v1.AttributionService/AttributeStream"] == 1
    assert set(counted(operating, "attridex_calls_under_way").values()) == {0}


def written(audit: Path, count: int) -> list[dict[str, Any]]:
    """The lines of an audit, once there are so many: a call's client may know its end before the disk does."""
    end = time.monotonic() + WAIT
    while len(lines := audit.read_text().splitlines()) < count and time.monotonic() < end:
        time.sleep(0.01)
    return [json.loads(line) for line in lines]


def test_every_admin_call_is_in_the_audit_before_it_is_done(run: Any, stand_in: Any, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    _, channel = run(audit=audit)
    seen = []
    stand_in.reload = lambda: seen.append(len(audit.read_text().splitlines())) or "2"
    stub = admin_pb2_grpc.AdminServiceStub(channel)
    assert stub.Reload(admin_pb2.ReloadRequest(index="mine"), timeout=WAIT, metadata=[("x-request-id", "a")]).index_version == "2"
    with pytest.raises(grpc.RpcError):
        stub.Activate(admin_pb2.ActivateRequest(index="none", version="7"), timeout=WAIT)
    rpc.AttributionServiceStub(channel).AttributeInstances(REQUEST, timeout=WAIT)
    lines = written(audit, 4)
    assert seen == [1]
    told = [(each["rpc"].rpartition("/")[2], each["event"], each.get("asked"), each.get("code")) for each in lines]
    assert told == [
        ("Reload", "asked", {"index": "mine"}, None), ("Reload", "ended", None, "OK"),
        ("Activate", "asked", {"index": "none", "version": "7"}, None), ("Activate", "ended", None, "NOT_FOUND"),
    ]  # fmt: skip
    assert lines[0]["request"] == lines[1]["request"] == "a"


def test_the_audit_names_whoever_is_known_also_where_they_may_not(run: Any, tmp_path: Path) -> None:
    audit, tokens = tmp_path / "audit", tmp_path / "tokens"
    tokens.write_text("admin ann the-token-of-ann-is-long other\nquery bob the-token-of-bob-is-long\n")
    tokens.chmod(0o600)
    _, channel = run(tokens, audit=audit)
    stub = admin_pb2_grpc.AdminServiceStub(channel)
    for token in ("the-token-of-ann-is-long", "the-token-of-bob-is-long", "the-token-of-eve-is-long"):
        with pytest.raises(grpc.RpcError):
            stub.Reload(admin_pb2.ReloadRequest(index="mine"), timeout=WAIT, metadata=[("authorization", f"Bearer {token}")])
    assert [(each["identity"], each["code"]) for each in written(audit, 4) if each["event"] == "ended"] == [
        ("ann", "PERMISSION_DENIED"), ("bob", "PERMISSION_DENIED"), ("", "UNAUTHENTICATED"),
    ]  # fmt: skip


def test_a_server_is_ready_once_its_indices_are_warmed_until_one_is_damaged_or_it_stops(run: Any, stand_in: Any) -> None:
    opening = Operating("127.0.0.1:0")
    assert page(opening, "/healthz")[0] == 200
    assert page(opening, "/readyz")[0] == 503
    opening.close()
    operating, _ = run()
    for _ in range(1000):
        if page(operating, "/readyz")[0] == 200:
            break
    status, said = page(operating, "/readyz")
    assert (status, json.loads(said)["indexes"]["mine"]) == (
        200, {"version": "1", "whole": True, "current": True, "warmed": True, "verified": True},
    )  # fmt: skip
    assert counted(operating, "attridex_ready") == {(): 1}
    stand_in.damaged = "a file is not what was written"
    assert page(operating, "/readyz")[0] == 503
    assert page(operating, "/healthz")[0] == 200
    stand_in.damaged = ""
    operating.stop()
    assert json.loads(page(operating, "/readyz")[1])["stopping"] is True


def test_warming_holds_no_version_longer_than_it_is_served(index: Path) -> None:
    delete_ids(index, ["t3"])
    opened = open_index(index, "mine", model=False)
    warm(opened)
    compact(index)
    opened.store.reload()
    assert prune(index).held == []
    assert list_versions(index) == ["2"]
    opened.close()


def test_what_cannot_be_warmed_is_served_all_the_same() -> None:
    def refuse(_request: Any) -> None:
        raise ModelRequiredError("no")

    warm(SimpleNamespace(name="mine", answer=refuse))  # type: ignore[arg-type]
