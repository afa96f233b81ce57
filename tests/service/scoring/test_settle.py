"""A method is settled against an index: label, settings, curvature and structure, each refused in words."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.curvature.spectrum import DenseBlock, Spectrum
from attridex.service.errors import InvalidArgumentError, LimitError, NotIndexedError, ServiceError
from attridex.service.methods.registry import load_methods
from attridex.service.scoring.curvature import choose_curvature, curvatures_of
from attridex.service.scoring.method import unit
from attridex.service.scoring.settings import Values
from attridex.service.scoring.settle import check_indexed, settle
from attridex.service.scoring.structures import Structure, choose_structure
from attridex.v1.requests import Scoring

METHODS = load_methods()
SPECTRUM = Spectrum([DenseBlock(slice(0, 2), np.array([1.0, 3.0]), np.eye(2))])
RECALL = {
    "sq8/grad-dot": 0.99, "rabitq/grad-dot": 0.8, "ivf/grad-cos": 0.95, "sq8/grad-cos": 1.0, "sq8/fisher": 0.7,
    "rabitq/fisher": 0.75,
}  # fmt: skip


def manifest(**more: Any) -> Any:
    facts = {"curvatures": ["fisher"], "checkpoints": [], "recall": RECALL, "task": "sequence-classification", **more}
    return SimpleNamespace(**facts)


def version(room: tuple[str, ...] = ("sq8", "rabitq", "ivf"), **more: Any) -> Any:
    return SimpleNamespace(manifest=manifest(**more), spectrum=lambda kind: SPECTRUM, has_room=lambda kind: kind in room)


def test_defaults_come_from_the_method_or_from_the_index() -> None:
    found = settle(version(), METHODS, Scoring("influence"), "gold")
    assert (found.curvature, found.damping, found.structure) == ("fisher", SPECTRUM.damping, None)
    lissa = settle(version(), METHODS, Scoring("lissa", damping=0.5), "gold")
    assert (lissa.curvature, lissa.damping, lissa.values.number("lissa_scale")) == ("fisher", 0.5, 1e4)
    plain = settle(version(), METHODS, Scoring(), "predicted")
    assert (plain.method.name, plain.curvature, plain.damping, plain.label) == ("grad-dot", "", None, "predicted")


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        (Scoring("grad-dt"), "method: unknown 'grad-dt'; did you mean 'grad-dot'?"),
        (Scoring("grad-dot", "fisher"), "curvature: method 'grad-dot' has none; influence and lissa do"),
        (Scoring("bm25", damping=1.0), "damping: method 'bm25' has none; influence and lissa and trak do"),
        (Scoring("influence", "ekfac"), "curvature: 'ekfac' is not in this index; it has fisher"),
        (
            Scoring("trak"),
            'method "trak": the index was built without it; build with gradients.curvature = ["trak"]',
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line(scoring: Scoring, said: str) -> None:
    with pytest.raises(ServiceError) as raised:
        settle(version(), METHODS, scoring, "gold")
    assert str(raised.value) == said


def test_one_of_several_curvatures_has_to_be_named() -> None:
    with pytest.raises(InvalidArgumentError, match="method 'influence' can use ekfac, fisher here; name one"):
        settle(version(curvatures=["ekfac", "fisher", "trak"]), METHODS, Scoring("influence"), "gold")


def test_a_language_model_has_no_predicted_label() -> None:
    with pytest.raises(InvalidArgumentError, match="causal-lm has no predicted label"):
        settle(version(task="causal-lm"), METHODS, Scoring(), "predicted")


def test_the_curvature_of_trak_is_no_curvature_of_others() -> None:
    assert curvatures_of(manifest(curvatures=["fisher", "trak"])) == ["fisher"]
    assert choose_curvature(manifest(curvatures=["fisher", "trak"]), "influence", "") == "fisher"
    check_indexed(manifest(curvatures=["trak"]), METHODS["trak"])
    with pytest.raises(NotIndexedError):
        check_indexed(manifest(curvatures=["trak"]), METHODS["influence"])


@pytest.mark.parametrize(
    ("scoring", "chosen"),
    [
        (Scoring("grad-dot"), None),
        (Scoring("grad-dot", exact=True), None),
        (Scoring("grad-dot", exact=False), Structure("sq8", 0.99)),
        (Scoring("grad-dot", approximate="rabitq"), Structure("rabitq", 0.8)),
        (Scoring("grad-cos", exact=False), Structure("ivf", 0.95)),
        (Scoring("influence", exact=False), Structure("rabitq", 0.75)),
    ],
)
def test_the_fastest_structure_that_is_good_is_chosen_or_else_the_best(scoring: Scoring, chosen: Structure | None) -> None:
    found = choose_structure(version(), scoring, METHODS[scoring.method], Values({"curvature": "fisher"}), METHODS.values())
    assert found == chosen


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        (Scoring(approximate="hnsw"), "approximate: unknown 'hnsw'; known: cagra, ivf, rabitq, sq8"),
        (Scoring(approximate="sq8", exact=True), "exact = true with approximate = 'sq8'; give one"),
        (
            Scoring("bm25", exact=False),
            "approximate: method 'bm25' is always exact; grad-dot, grad-cos, influence, lissa, trak can be approximate",
        ),
        (
            Scoring(approximate="ivf"),
            "approximate: 'ivf' serves method 'grad-cos' alone (its lists go by direction); use 'sq8' or 'rabitq'",
        ),
        (
            Scoring("grad-cos", approximate="rabitq"),
            'approximate: the index was built without rabitq for this method; build with index.approximate = ["rabitq"]',
        ),
    ],
)
def test_a_structure_that_cannot_serve_is_refused(scoring: Scoring, said: str) -> None:
    with pytest.raises(ServiceError) as raised:
        choose_structure(version(), scoring, METHODS[scoring.method], Values(), METHODS.values())
    assert str(raised.value) == said


def test_a_structure_without_room_in_memory_is_not_chosen_and_refused_where_it_is_asked_for() -> None:
    allowed = Scoring("grad-dot", exact=False)
    found = choose_structure(version(room=("rabitq",)), allowed, METHODS["grad-dot"], Values(), METHODS.values())
    assert found == Structure("rabitq", 0.8)
    for room, asked, said in (
        (("rabitq",), Scoring(approximate="sq8"), "--memory has no room for sq8; use rabitq, or serve with more"),
        ((), allowed, "--memory has no room for any structure; serve with more"),
    ):
        with pytest.raises(LimitError, match=said):
            choose_structure(version(room=room), asked, METHODS["grad-dot"], Values(), METHODS.values())


def test_a_zero_vector_stays_zero() -> None:
    assert unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0.0, 0.0]]
