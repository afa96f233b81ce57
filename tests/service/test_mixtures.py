"""An index of a mixture of experts, from the command line to the client: neurons are named by layer, expert and unit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client, Intervention, Neuron, Query
from attridex.client.errors import ClientError

SETTINGS: dict[str, Any] = {
    "neurons": {"steps": 4},
    "gradients": {"parameters": "linear", "dim": 300, "curvature": ["ekfac"]},
}


@pytest.fixture
def mixture(indexed: Callable[..., Path]) -> Path:
    """A built index of a model whose second layer has no experts."""
    return indexed("qwen3_moe", 12, **SETTINGS) / "index"


def test_neurons_of_experts_are_found_asked_for_and_edited(mixture: Path, attridex: Any) -> None:
    assert attridex("verify", mixture).code == 0
    with Client.local(mixture) as client:
        info = client.get_index()
        assert (info.layers, info.units, info.experts, info.expert_units) == (3, 4 * 8 + 12, 4, 8)
        (answer,) = client.attribute_neurons([Query.instance("t1")], r=0).results
        names = [each.neuron for each in answer.neurons]
        assert all(map(info.layout.has, names))
        assert {each.layer for each in names if each.expert is None} <= {1}
        assert {each.layer for each in names if each.expert is not None} <= {0, 2}
        best = next(each for each in names if each.expert is not None)
        hits = client.find_instances_by_neurons([Query.neurons([best])], k=12).results[0].hits
        assert "t1" in [hit.id for hit in hits]
        assert {shared.neuron for hit in hits for shared in hit.shared} == {best}
        record = {"premise": "the doctor saw", "hypothesis": "the cat"}
        own = client.attribute_neurons([record], r=3).results[0].neurons
        named = [Intervention("suppress", [each.neuron for each in own]), Intervention("suppress", r=3)]
        said = client.predict([record], interventions=named).results[0].interventions
        assert said[0].neurons == said[1].neurons == tuple(each.neuron for each in own)
        assert said[0].probabilities == pytest.approx(said[1].probabilities)
        assert said[0].name == "suppress " + ",".join(each.neuron.name for each in own)
        for wrong in (Neuron(1, 0, expert=0), Neuron(0, 8, expert=0), Neuron(0, 0, expert=4), Neuron(0, 12)):
            with pytest.raises(ClientError, match=f"neuron {wrong.name}: there are 3 layers of 4 experts of 8 units"):
                client.find_instances_by_neurons([Query.neurons([wrong])])
    shown = attridex("query", "na", "--index", mixture, "--instance", "t1", "--json").lines[0]["neurons"]
    assert [Neuron(each["layer"], each["unit"], each.get("expert")) for each in shown] == names[: len(shown)]
    predicted = attridex(
        "predict", "--index", mixture, "--queries", mixture.with_name("queries.jsonl"), "--suppress", best.name, "--json"
    )
    assert predicted.lines[0]["interventions"][0]["neurons"] == [best.numbers]


def test_neurons_are_counted_by_expert(mixture: Path, attridex: Any) -> None:
    rows = attridex("neurons", mixture, "--json", "--top", 999).lines
    assert list(rows[0])[:3] == ["layer", "expert", "unit"]
    assert {row["expert"] is None for row in rows if row["layer"] == 1} == {True}
    assert {row["expert"] is None for row in rows if row["layer"] != 1} == {False}
    own = attridex("neurons", mixture, "--json", "--top", 999, "--expert", 2).lines
    assert own == [row for row in rows if row["expert"] == 2]
    lifted = attridex("neurons", mixture, "--json", "--label", "LABEL_0", "--min-kept", 1, "--expert", 2).lines
    assert {row["expert"] for row in lifted} == {2}
    refused = attridex("neurons", mixture, "--expert", 4)
    assert refused.code == 2
    assert refused.err.strip().endswith("expert 4: the model has 4, counted from 0")
    assert "2 layers x 4 experts x 8 units, and 12 without an expert" in attridex("info", mixture).out


def test_a_model_without_experts_has_none_to_ask_for(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    assert attridex("build", project(count=6), "--out", tmp_path / "index").code == 0
    assert "expert" not in attridex("neurons", tmp_path / "index", "--json").lines[0]
    refused = attridex("neurons", tmp_path / "index", "--expert", 0)
    assert "expert 0: the model has none" in refused.err
    with (
        Client.local(tmp_path / "index") as client,
        pytest.raises(ClientError, match=r"neuron 0-0\.1: there are 3 layers of 40 units"),
    ):
        client.find_instances_by_neurons([Query.neurons([Neuron(0, 1, expert=0)])])
