"""Whom a command asks, about what, and which columns it shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from attridex.client.commands.asking import BATCH, Asking, ask_queries, columns_of, text_of, with_queries
from attridex.client.errors import UsageError
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import IndexInfo
from attridex.v1.requests import AttributeInstancesRequest, AttributeNeuronsRequest, Query
from attridex.v1.rpcs import INDEX
from tests.client.stubs import Stub, client_of
from tests.conftest import write_jsonl

COLUMNS = ["row", "id", "label", "premise", "self_influence", "self_influence_fisher", "loss"]


def indexed(own: list[str]) -> IndexInfo:
    return INDEX.decode(pb.IndexInfo(columns=[pb.Column(name=name, type="VARCHAR") for name in COLUMNS], own_columns=own))


@pytest.mark.parametrize("given", [{}, {"index": Path("a"), "server": "b"}])
def test_one_of_index_and_server_is_given(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--index INDEX .* or --server"):
        Asking(**given).client()


@pytest.mark.parametrize("given", [{}, {"queries": Path("a"), "instance": ["b"]}])
def test_one_of_queries_and_instances_is_given(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--queries FILE or --instance ID"):
        Asking(**given).sources()


def test_sources_are_records_or_instances_up_to_the_limit(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "q.jsonl", [{"id": "a", "premise": "x", "number": 1}, {"premise": "y"}])
    records = list(Asking(path).sources())
    assert [query.id for query in records] == ["a", "query-1"]
    assert [text_of(query) for query in records] == ["premise: x", "premise: y"]
    assert list(Asking(path, limit=1).sources()) == records[:1]
    assert list(Asking(instance=["t1", "t2"], limit=1).sources()) == [Query.instance("t1")]
    assert text_of(Query.instance("t1")) == ""


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ([], ("label", "premise")),
        (["row", "id", "label", "self_influence"], ("label", "premise", "self_influence_fisher", "loss")),
    ],
)
def test_columns_are_the_corpus_s_own_unless_named(own: list[str], shown: tuple[str, ...]) -> None:
    index = indexed(own)
    assert columns_of(index, "") == shown
    assert columns_of(index, "none") == ()
    assert columns_of(index, "loss, premise") == ("loss", "premise")


def test_the_same_is_asked_of_each_batch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stub = Stub()
    monkeypatch.setattr(Asking, "client", lambda self: client_of(stub))
    identities = [f"t{number}" for number in range(BATCH + 1)]
    request = AttributeInstancesRequest((), k=3)
    ask_queries(Asking(instance=identities, as_json=True), request, {}, "loss")
    assert sum(isinstance(message, pb.GetIndexRequest) for message in stub.sent) == 1
    sent = [message for message in stub.sent if hasattr(message, "queries")]
    assert [len(message.queries) for message in sent] == [BATCH, 1]
    assert {(message.k, *message.fields) for message in sent} == {(3, "loss")}
    assert with_queries(request, [Query.instance("t1")]).queries == (Query.instance("t1"),)
    assert capsys.readouterr().out == ""


def test_a_job_is_bound_to_the_kind_and_the_command_s_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = pb.NeuronsResult(query_id="t1", neurons=[pb.NeuronScore(layer=1, unit=2, score=0.5)])
    response = pb.AttributeNeuronsResponse(results=[result], info=pb.AnswerInfo(index_version="4"))
    answer = pb.AttributeStreamResponse(attribute_neurons=response)
    stub = Stub(AttributeStream=answer, GetIndex=pb.GetIndexResponse(index=pb.IndexInfo(version="4")))
    monkeypatch.setattr(Asking, "client", lambda self: client_of(stub))
    out = tmp_path / "out.jsonl"
    ask_queries(Asking(instance=["t1"], out=out), AttributeNeuronsRequest((), 3), {"r": 3, "method": None})
    assert json.loads(out.read_text())["neurons"] == [{"layer": 1, "unit": 2, "score": 0.5}]
    assert json.loads((tmp_path / "out.jsonl.job").read_text()) == {
        "kind": "attribute_neurons", "r": 3, "method": None, "limit": None, "instances": ["t1"], "index_version": "4",
        "index": {"instances": 0, "model": None, "corpus": None},
    }  # fmt: skip
