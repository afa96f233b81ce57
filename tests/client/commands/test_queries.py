"""What the query commands ask, option by option."""

from typing import Any

import pytest

from attridex.client.commands import queries
from attridex.client.commands.asking import Asking
from attridex.v1.filters import Comparison
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    Intervention,
    PredictRequest,
    Scoring,
)

LISSA = ("--method", "lissa", "--curvature", "fisher", "--damping", "0.5", "--lissa-scale", "2", "--lissa-depth", "9",
         "--seed", "1", "--approximate", "ivf", "--set", "a=1")  # fmt: skip
SCORING = Scoring("lissa", "fisher", 0.5, 2.0, 9, 1, {"a": "1"}, exact=False, approximate="ivf")
LOSS = Comparison("loss", ">", 2)
CASES: dict[tuple[str, ...], Any] = {
    ("query", "ia"): AttributeInstancesRequest(()),
    ("query", "ia", *LISSA, "--k", "3", "--where", "loss > 2", "--label", "gold", "--ascending", "--name", "mine"): (
        AttributeInstancesRequest((), SCORING, 3, LOSS, "gold", ascending=True, index="mine")
    ),
    ("query", "na"): AttributeNeuronsRequest(()),
    ("query", "na", "--r", "0", "--method", "activation-gradient"): AttributeNeuronsRequest((), 0, "activation-gradient"),
    ("query", "na-instances"): FindInstancesByNeuronsRequest(()),
    ("query", "na-instances", "--r", "2", "--k", "3", "--similarity", "activation", "--where", "loss > 2"): (
        FindInstancesByNeuronsRequest((), 2, 3, "activation", LOSS)
    ),
    ("query", "ia-neurons"): FindNeuronsByInstancesRequest(()),
    ("query", "ia-neurons", *LISSA, "--instances", "4", "--r", "2", "--aggregate", "summed", "--label", "predicted"): (
        FindNeuronsByInstancesRequest((), SCORING, 4, 2, "summed", None, "predicted")
    ),
    ("predict",): PredictRequest(()),
    ("predict", "--keep", "3-17", "--suppress", "na:10", "--suppress", "ia:influence/fisher:5"): PredictRequest(
        (),
        (
            Intervention("suppress", r=10, name="suppress na:10"),
            Intervention("suppress", None, Scoring("influence", "fisher"), 5, "suppress ia:influence/fisher:5"),
            Intervention("keep", [(3, 17)], name="keep 3-17"),
        ),
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), CASES.items(), ids=map(" ".join, CASES))
def test_options_become_a_request(
    arguments: tuple[str, ...], expected: Any, attridex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(queries, "ask_queries", lambda *given: asked.append(given))
    ran = attridex(*arguments, "--instance", "t1", "--server", "here:1", "--json")
    assert ran.code == 0, ran.err
    ((asking, request, *_),) = asked
    assert request == expected
    assert asking == Asking(None, ["t1"], server="here:1", name=expected.index, as_json=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("query", "ia", "--where", "loss >"), "filter 'loss >': cannot be read"),
        (("query", "ia", "--label", "true"), "use 'gold' or 'predicted'"),
        (("query", "ia-neurons", "--set", "a"), "--set a: write NAME=VALUE"),
        (("query", "na-instances", "--instance", "t1"), "give one of --index INDEX (in this process) or --server HOST:PORT"),
        (("query", "na", "--server", "here:1"), "give one of --queries FILE or --instance ID"),
        (("predict", "--keep", "all"), "--keep all: write na:R, ia:METHOD[/CURVATURE]:R, or neurons as"),
    ],
)
def test_wrong_options_are_said_in_one_line(arguments: tuple[str, ...], said: str, attridex: Any) -> None:
    ran = attridex(*arguments)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert said in ran.err
