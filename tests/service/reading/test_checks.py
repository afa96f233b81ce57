"""What an index cannot give is refused before any work, with what it could give."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.records import Manifest, ModelFacts
from attridex.service.errors import InvalidArgumentError, NotIndexedError, ServiceError
from attridex.service.reading import checks
from attridex.v1.requests import Neuron


def version(live: int = 30, **more: Any) -> Any:
    facts = {
        "model": ModelFacts.model_construct(layers=3, units=4), "gradient_dim": 2,
        "columns": [("row", "BIGINT"), ("loss", "DOUBLE")],
        "task": "causal-lm", "neurons": False, **more,
    }  # fmt: skip
    return SimpleNamespace(live=live, manifest=Manifest.model_construct(**facts))


@pytest.mark.parametrize(("live", "asked", "hits"), [(30, None, 10), (4, None, 4), (30, 30, 30), (30, 1, 1)])
def test_ten_hits_are_given_unless_there_are_fewer_or_others_are_asked_for(live: int, asked: int | None, hits: int) -> None:
    assert checks.hits_wanted(version(live), asked) == hits


@pytest.mark.parametrize(
    ("check", "said", "field"),
    [
        (lambda: checks.hits_wanted(version(), 31), "k = 31: must be 1 to 30, the number of instances", "k"),
        (
            lambda: checks.hits_wanted(version(), 0, "instances"),
            "instances = 0: must be 1 to 30, the number of instances", "instances",
        ),
        (lambda: checks.check_r(version(), 13), "r = 13: must be 0 to 12, the number of neurons", "r"),
        (lambda: checks.check_fields(version(), ["row", "los"]), "fields: unknown column 'los'; did you mean 'loss'?", "fields"),
        (lambda: checks.choose("method", "trk", {"trak": 1}), "method: unknown 'trk'; did you mean 'trak'?", "method"),
        (
            lambda: checks.check_vector(version(), np.ones(3, np.float32), "q"),
            "query 'q': a vector of 3 elements; this index has 2", "queries",
        ),
        (
            lambda: checks.check_vector(version(), np.array([np.nan, 1], np.float32), "q"),
            "query 'q': the vector holds NaN or infinity", "queries",
        ),
        (lambda: checks.check_neuron_ids(version(), (), "query 'q'"), "query 'q': no neurons given", "queries"),
        (
            lambda: checks.check_neuron_ids(version(), (Neuron(2, 3), Neuron(2, 4)), "intervention 'n'", "interventions"),
            "intervention 'n': neuron 2-4: there are 3 layers of 4 units, from 0", "interventions",
        ),
        (
            lambda: checks.check_label(version(), "predicted"),
            "label = 'predicted': causal-lm has no predicted label, its loss is the target's", "label",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_given_is_refused_in_words(check: Any, said: str, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        check()
    error: ServiceError = raised.value
    assert (str(error), error.field) == (said, field)


def test_an_index_without_neurons_says_how_to_have_them() -> None:
    with pytest.raises(NotIndexedError, match=r"neurons\.enabled = true"):
        checks.check_neurons(version())
    checks.check_neurons(version(neurons=True))
