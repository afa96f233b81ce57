"""Four groups of shards, and a torch device, answer everything as one process does, to the bit."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attridex.client.filters import parse_filter
from attridex.service.answering.served import ServedIndex
from attridex.service.devices.loading import Device
from attridex.service.edge.server import open_index
from attridex.service.groups.gathering import Patience
from attridex.service.storage.far import Spread
from attridex.v1.answers import Info, Timings
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    ComputeSignatureRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    GetInstancesRequest,
    Intervention,
    ListInstancesRequest,
    PredictRequest,
    Query,
    RankInstancesRequest,
    Scoring,
)
from tests.conftest import records
from tests.service.groups.threads import ThreadReplica, thread_groups

GROUPS, ROWS = 4, 41
RECORD = Query.record({**records(5)[4], "id": "q"})
STORED = (Query.instance("t2"), Query.instance("t9-b"), Query.instance("t21"))
BATCH = (RECORD, *STORED)
METHODS = (
    Scoring("grad-dot"), Scoring("grad-cos"), Scoring("influence"), Scoring("trak"), Scoring("rep-sim"), Scoring("bm25"),
    Scoring("random", seed=3), Scoring("grad-dot", approximate="sq8"), Scoring("influence", approximate="sq8"),
)  # fmt: skip
WHERE = {"all": None, "half": parse_filter("genre = 'phone'"), "few": parse_filter("id IN ('t1', 't5-b', 't12')")}


@contextmanager
def four_groups() -> Iterator[Spread]:
    """Groups of threads."""
    with closing(thread_groups([[ThreadReplica("only")] for _ in range(GROUPS)], Patience(300, 300))) as groups:
        yield groups


@pytest.fixture(scope="module", params=["groups", "device"])
def pair(doubled: Path, request: pytest.FixtureRequest) -> Iterator[tuple[ServedIndex, ServedIndex]]:
    """The index in one process; and in four groups, or on a torch device."""
    with four_groups() if request.param == "groups" else nullcontext(Device([torch.device("cpu")], verify=True)) as spread:
        alone = open_index(doubled, "mine", threads=2)
        apart = open_index(doubled, "mine", spread=spread)
        yield alone, apart
        apart.close()
        alone.close()


def plain(value: Any) -> Any:
    """A value that is equal to another exactly where all its numbers are, to the bit; times left out."""
    if isinstance(value, Info):
        value = replace(value, timings=Timings())
    if is_dataclass(value):
        return type(value).__name__, *(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    return value.hex() if isinstance(value, float) else value


def same(pair: tuple[ServedIndex, ServedIndex], request: Any) -> Any:
    """The answer, which is the same from both."""
    expected, found = (index.answer(request) for index in pair)
    assert plain(found) == plain(expected)
    return found


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.method} {method.approximate}")
def test_instances(pair: tuple[ServedIndex, ServedIndex], method: Scoring, where: str) -> None:
    for queries, k in (((RECORD,), 1), (STORED, 3), (BATCH, ROWS)):
        request = AttributeInstancesRequest(queries, method, k, WHERE[where], fields=("genre",))
        assert same(pair, request).results[0].hits
    same(pair, replace(request, ascending=True, k=4))
    if not method.approximate:
        same(pair, replace(request, group="genre", k=2))
        same(pair, FindNeuronsByInstancesRequest(BATCH, method, 7, where=WHERE[where]))


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("similarity", ["dcns", "activation", "attribution"])
def test_instances_by_neurons(pair: tuple[ServedIndex, ServedIndex], similarity: str, where: str) -> None:
    request = FindInstancesByNeuronsRequest(BATCH, 5, 6, similarity, WHERE[where])
    same(pair, request)
    same(pair, replace(request, queries=(RECORD,), k=2, group="genre"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", [method for method in METHODS if not method.approximate], ids=lambda method: method.method)
def test_whole_rankings(pair: tuple[ServedIndex, ServedIndex], method: Scoring, dtype: Any) -> None:
    for where in (None, WHERE["half"]):
        request = RankInstancesRequest(BATCH, method, where, dtype=dtype)
        expected, found = (plain(list(index.rank(request))) for index in pair)
        assert found == expected


@pytest.mark.parametrize(
    "request_",
    [
        AttributeNeuronsRequest(BATCH),
        ComputeSignatureRequest(BATCH),
        PredictRequest(BATCH, (Intervention("suppress", method="ia:grad-dot", r=3),)),
        GetInstancesRequest(("t1", "t9-b"), with_neurons=True, with_hidden=True),
        ListInstancesRequest(parse_filter("tokens > 4"), "-loss", 7),
    ],
    ids=lambda request: type(request).__name__,
)
def test_everything_else(pair: tuple[ServedIndex, ServedIndex], request_: Any) -> None:
    same(pair, request_)


def test_a_vector(pair: tuple[ServedIndex, ServedIndex]) -> None:
    dim = pair[0].describe().gradient_dim
    vector = Query.vector(np.linspace(-1, 1, dim, dtype=np.float32))
    assert same(pair, AttributeInstancesRequest((vector, STORED[0]), k=5)).results[0].hits


def test_each_group_holds_its_shards_alone(pair: tuple[ServedIndex, ServedIndex]) -> None:
    spread: Any = pair[1].store.opening.spread
    if isinstance(spread, Device):
        return
    replicas = [place.replica for replicas in spread._groups.values() for place in replicas._places]
    held = [sum(vectors.rows for vectors in (held.vectors for held in each.group._open.values())) for each in replicas]
    assert sum(held) == 44
    assert max(held) <= 15
