from pathlib import Path
from typing import Any

import pytest

from attridex.client.workbench.context import NotPossibleError
from attridex.client.workbench.neurons import neurons_of
from attridex.v1.answers import NeuronsAnswer, NeuronScore, NeuronsResult
from tests.client.workbench.made import INFO, made_context


def two_neurons(request: Any) -> NeuronsAnswer:
    """The same neurons for every query."""
    scored = (NeuronScore(1, 5, 0.5), NeuronScore(0, 2, 0.25))
    return NeuronsAnswer(INFO, tuple(NeuronsResult(query.id, None, scored) for query in request.queries))


def test_neurons_are_named_by_na_and_by_every_instance_method(tmp_path: Path) -> None:
    found = neurons_of(made_context(tmp_path, two_neurons))
    names = [method.name for method in found]
    assert names == ["na", *(f"ia-neurons/{name}" for name in ("grad-dot", "influence/hessian", "influence/fisher", "random"))]
    assert all(each.neurons["q2"] == [(1, 5), (0, 2)] for each in found.values())
    assert all((each.meaning.sign, each.meaning.scale) == (INFO.sign, INFO.scale) for each in found.values())


def test_an_index_without_neurons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotPossibleError, match="built without neurons"):
        neurons_of(made_context(tmp_path, two_neurons, manifest={"neurons": None}))
