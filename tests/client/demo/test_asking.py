"""The demo's questions, put to a client that knows its answers."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from attridex.client.client import Client
from attridex.client.demo.asking import ask_all, misleading, neuron_names
from attridex.client.errors import ClientError
from attridex.v1.answers import (
    Info,
    Instance,
    InstanceHit,
    InstancesAnswer,
    InstancesResult,
    InterventionResult,
    NeuronsAnswer,
    NeuronScore,
    NeuronsResult,
    PredictAnswer,
    Prediction,
    PredictResult,
)
from attridex.v1.requests import Intervention, Query

INFO = Info("index", "1", "m", "s", "f")
TRAIN: list[dict[str, Any]] = [{"id": f"t{at}", "label": "yes", "overlap": 0.5, "flipped": at < 2} for at in range(6)]
CHALLENGE: list[dict[str, Any]] = [
    {"id": f"c{at}", "premise": "p", "hypothesis": "h", "label": "no", "subcase": "s"} for at in range(3)
]


class Knowing:
    """Says "yes" but for its right answers; every instance is like t0; flipped labels have the largest gradients."""

    def __init__(self, right: set[str]) -> None:
        """Ids that are answered rightly."""
        self.right = right

    def predict(self, rows: Sequence[Mapping[str, Any]], interventions: Sequence[Intervention] = ()) -> PredictAnswer:
        """Half as sure after each edit."""
        sure = {"yes": 0.75, "no": 0.25}
        edits = tuple(InterventionResult("e", each.mode, "no", {"yes": 0.5, "no": 0.5}, ()) for each in interventions)
        said = [Prediction("no" if row["id"] in self.right else "yes", "no", 0.0, sure) for row in rows]
        return PredictAnswer(INFO, tuple(PredictResult(row["id"], one, edits) for row, one in zip(rows, said, strict=True)))

    def attribute_instances(self, rows: Sequence[Any], **_: Any) -> InstancesAnswer:
        """Always t0; of two labels."""
        ids = [row.id if isinstance(row, Query) else row["id"] for row in rows]
        hit = InstanceHit(1, "t0", 0, 1.0, {"overlap": 0.75, "label": "no", "flipped": True})
        return InstancesAnswer(INFO, tuple(InstancesResult(identity, None, (hit,)) for identity in ids))

    find_instances_by_neurons = attribute_instances

    def attribute_neurons(self, rows: Sequence[Any], **_: Any) -> NeuronsAnswer:
        """One."""
        return NeuronsAnswer(INFO, tuple(NeuronsResult(row["id"], None, (NeuronScore(1, 2, 0.5),)) for row in rows))

    find_neurons_by_instances = attribute_neurons

    def list_instances(self, fields: Sequence[str]) -> list[Instance]:
        """Gradient norms."""
        return [Instance(row["id"], at, {"gradient_norm": 3.0 if row["flipped"] else 1.0}) for at, row in enumerate(TRAIN)]


def test_what_is_found_is_what_the_client_answers() -> None:
    found = ask_all(cast("Client", Knowing({"c1"})), TRAIN, CHALLENGE, 0)
    assert (found.wrong, found.challenge) == (2, 3)
    assert found.suspicion == (9.0, 9.0, 1.0, 1.0, 1.0, 1.0)
    assert found.flipped == (True, True, False, False, False, False)
    assert found.detection["IA self-influence"].auc == 1.0
    assert found.overlaps == {"whole corpus": 0.5, "IA": 0.75, "NA-Instances": 0.75}
    first = found.queries[0]
    assert (first.predicted, first.probability, [edit.probability for edit in first.edits]) == (
        "yes",
        0.75,
        [0.75, 0.5, 0.5, 0.5],
    )
    assert "IA-Neurons: 1-2" in first.edits[-1].name
    assert [(hit.id, len(way.hits)) for way in first.found for hit in way.hits] == [("t0", 1), ("t0", 1)]


def test_chance_is_drawn_by_the_seed() -> None:
    client = cast("Client", Knowing(set()))
    found = [ask_all(client, TRAIN, CHALLENGE, seed).detection["random"] for seed in (0, 1, 2, 3, 0, 1, 2, 3)]
    assert found[:4] == found[4:]
    assert len(set(found)) > 1


def test_a_model_that_is_always_right_leaves_nothing_to_show() -> None:
    client = cast("Client", Knowing({"c0", "c1", "c2"}))
    assert misleading(client, CHALLENGE) == []
    with pytest.raises(ClientError, match="try another --seed"):
        ask_all(client, TRAIN, CHALLENGE, 0)
    assert neuron_names([NeuronScore(1, 2, 0.5), NeuronScore(3, 4, 0.25)]) == "1-2, 3-4"
