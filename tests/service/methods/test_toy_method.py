"""A method of another package: found by its entry point, told, asked with its own setting; a broken one is one line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.indexer.errors import InputError
from attridex.service.edge.inprocess import InProcessStub
from attridex.service.methods.registry import load_methods
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc
from attridex.v1.answers import Method
from attridex.v1.requests import (
    AttributeInstancesRequest,
    FindNeuronsByInstancesRequest,
    Intervention,
    PredictRequest,
    Query,
    Scoring,
)
from attridex.v1.rpcs import INDEX, RPCS

TOY = '''
"""Instances by their length."""

import numpy as np

from attridex.service.meaning import Meaning
from attridex.service.scoring.method import RowMethod
from attridex.v1.answers import Setting


class Shortest(RowMethod):
    name = "shortest"
    summary = "the shorter the better"
    meaning = Meaning("higher = shorter", "- tokens ^ power")
    settings = (Setting("power", "what the length is raised to", "number", "1", above=0),)

    def row_scores(self, version, one, values):
        tokens = [count for (count,) in version.select("SELECT tokens FROM instances ORDER BY row", [])]
        return -(np.array(tokens, np.float64) ** values.number("power"))


METHOD = Shortest()
'''


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a package of one module whose entry points are given."""

    def install(module: str, entries: str) -> None:
        site = tmp_path / "site"
        (site / "toy-1.dist-info").mkdir(parents=True)
        (site / f"{module}.py").write_text(TOY)
        (site / "toy-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
        (site / "toy-1.dist-info" / "entry_points.txt").write_text(f"[attridex.methods]\n{entries}\n")
        monkeypatch.syspath_prepend(site)

    return install


@pytest.fixture(params=["in process", "over a socket"])
def toy_stub(request: pytest.FixtureRequest, register: Callable[[str, str], None], index: Path) -> Iterator[Any]:
    """The index, asked by whoever has the toy package installed."""
    from attridex.service.edge.options import ServerOptions
    from attridex.service.edge.server import Server, open_index

    register("toy_shortest", "shortest = toy_shortest:METHOD")
    if request.param == "in process":
        stub = InProcessStub(index)
        yield stub
        stub.close()
        return
    server = Server({"index": open_index(index, "index")}, ServerOptions("127.0.0.1:0"))
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield attribution_pb2_grpc.AttributionServiceStub(channel)
    server.stop(0)


def send(stub: Any, request: Any) -> Any:
    rpc = RPCS[type(request)]
    return rpc.answer.decode(getattr(stub, rpc.name)(rpc.request.encode(request), timeout=60), ())


def told(stub: Any) -> dict[str, Method]:
    info = INDEX.decode(stub.GetIndex(pb.GetIndexRequest(), timeout=60).index)
    assert set(info.methods) == {method.name for method in info.method_details if not method.missing}
    return {method.name: method for method in info.method_details}


def test_a_method_of_another_package_is_told_and_asked_with_its_own_setting(toy_stub: Any) -> None:
    method = told(toy_stub)["shortest"]
    assert (method.summary, method.missing, [setting.name for setting in method.settings]) == (
        "the shorter the better", "", ["power"],
    )  # fmt: skip
    queries = (Query.instance("t3"),)
    plain = send(toy_stub, AttributeInstancesRequest(queries, Scoring("shortest"), k=30, fields=("tokens",)))
    squared = send(toy_stub, AttributeInstancesRequest(queries, Scoring("shortest", settings={"power": "2"}), k=30))
    assert (plain.info.method, plain.info.sign, plain.info.scale) == ("shortest", "higher = shorter", "- tokens ^ power")
    for one, other in zip(plain.results[0].hits, squared.results[0].hits, strict=True):
        assert one.score == -one.fields["tokens"]
        assert (one.id, -(one.score**2)) == (other.id, other.score)
    best = send(toy_stub, FindNeuronsByInstancesRequest(queries, Scoring("shortest"), r=3))
    assert best.info.method == "shortest/top-neuron"
    edit = Intervention("keep", method=Scoring("shortest", settings={"power": "2"}), r=3)
    (edited,) = send(toy_stub, PredictRequest(queries, (edit,))).results
    assert edited.interventions[0].neurons == tuple(score.neuron for score in best.results[0].neurons)


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        (Scoring("grad-dot", settings={"power": "2"}), "power: method 'grad-dot' has none; shortest do"),
        (Scoring("shortest", settings={"powr": "2"}), "powr: no method has such a setting; did you mean 'power'?"),
        (Scoring("shortest", settings={"power": "0"}), "power = 0.0: must be a positive number"),
        (Scoring("shortest", settings={"power": "two"}), "power = 'two': a number is needed"),
        (Scoring("shortest", damping=1.0), "damping: method 'shortest' has none; influence and lissa and trak do"),
        (Scoring("shortst"), "method: unknown 'shortst'; did you mean 'shortest'?"),
    ],
)
@pytest.mark.parametrize("toy_stub", ["in process"], indirect=True)
def test_a_setting_that_is_wrong_is_one_line(toy_stub: Any, scoring: Scoring, said: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(toy_stub, AttributeInstancesRequest((Query.instance("t3"),), scoring))
    assert raised.value.details() == said


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("gone = toy_gone:METHOD", r"'gone' \(toy_gone:METHOD\) cannot be loaded: ModuleNotFoundError"),
        ("lost = toy_broken:LOST", r"'lost' \(toy_broken:LOST\) cannot be loaded: AttributeError"),
        ("class = toy_broken:Shortest", r"'class' \(toy_broken:Shortest\) is no VectorMethod or RowMethod object"),
        ("one = toy_broken:METHOD\ntwo = toy_broken:METHOD", "'toy_broken:METHOD' is named 'shortest' as another method is"),
    ],
)
def test_a_broken_package_is_one_line(register: Callable[[str, str], None], entries: str, said: str) -> None:
    register("toy_broken", entries)
    with pytest.raises(InputError, match=said) as raised:
        load_methods()
    assert len(str(raised.value).splitlines()) == 1
