"""Each method's own function gives what its formula says, from a version that is nothing but its numbers."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.curvature.spectrum import DenseBlock, Spectrum
from attridex.indexer.index.records import CorpusFacts
from attridex.indexer.randomness import uniforms
from attridex.service.errors import InvalidArgumentError, ServiceError
from attridex.service.methods import bm25, grad_cos, grad_dot, influence, lissa, random, rep_sim, tracin, trak
from attridex.service.methods.registry import BUILT_IN
from attridex.service.reading.asked import Asked
from attridex.service.scoring.settings import Values, read_settings
from attridex.v1.requests import Query

ROWS, DIM = 5, 3
STORED = np.arange(1.0, 1 + ROWS * DIM).reshape(ROWS, DIM)
EIGENVALUES = np.array([0.5, 1.0, 4.0])
KNOWN = {method.name: method.settings for method in BUILT_IN}


def version(**more: Any) -> Any:
    """An index of five rows whose vectors, whatever they are of, are `STORED`."""
    spectrum = Spectrum([DenseBlock(slice(0, DIM), EIGENVALUES, np.eye(DIM))])
    manifest = SimpleNamespace(
        curvatures=["fisher", "trak"], checkpoints=["a", "b"], task="sequence-classification",
        corpus=CorpusFacts(fingerprint="f", instances=4, text_fields=["premise"], tokens=9),
        config=SimpleNamespace(model=SimpleNamespace(checkpoint_rates=[0.5, 0.25, 2.0]), corpus=SimpleNamespace(rendering=2)),
    )  # fmt: skip
    return SimpleNamespace(
        rows=ROWS, counted=ROWS, manifest=manifest,
        gradients="gradients", unit_gradients="units", hidden="hidden", tracin="tracin",
        vector=lambda parts, row: STORED[row], spectrum=lambda kind: spectrum,
        fields=lambda rows, names: [{"loss": 0.1 * (row + 1), "premise": f"word {row}"} for row in rows], **more,
    )  # fmt: skip


def stored(row: int) -> Asked:
    return Asked(Query.instance(f"t{row}"), f"t{row}", row)


def values_of(method: Any, **given: Any) -> Values:
    found: Values = method.settle(version(), read_settings(method.name, given, KNOWN))
    return found


def queries(method: Any, row: int, **given: Any) -> Any:
    return method.space(version(), [stored(row)], values_of(method, **given)).queries[0]


def test_gradients_are_compared_as_they_are_or_by_direction() -> None:
    assert grad_dot.METHOD.space(version(), [stored(2)], Values()).stored == "gradients"
    np.testing.assert_array_equal(queries(grad_dot.METHOD, 2), STORED[2])
    assert grad_cos.METHOD.space(version(), [stored(2)], Values()).stored == "units"
    np.testing.assert_allclose(queries(grad_cos.METHOD, 2), STORED[2] / np.linalg.norm(STORED[2]))
    np.testing.assert_allclose(queries(rep_sim.METHOD, 1), STORED[1] / np.linalg.norm(STORED[1]))


def test_influence_and_lissa_put_the_curvature_between() -> None:
    np.testing.assert_allclose(queries(influence.METHOD, 1, damping=0.5), STORED[1] / (EIGENVALUES + 0.5))
    mean = EIGENVALUES.mean()
    np.testing.assert_allclose(queries(influence.METHOD, 1), STORED[1] / (EIGENVALUES + 0.1 * mean))
    limit = STORED[1] / (EIGENVALUES + 8 * 0.25)
    np.testing.assert_allclose(queries(lissa.METHOD, 1, damping=0.25, lissa_scale=8.0, lissa_depth=500), limit)
    with pytest.raises(InvalidArgumentError, match=r"lissa_scale = 1: LiSSA diverges below 2\.03 here"):
        values_of(lissa.METHOD, lissa_scale=1.0)


def test_trak_divides_by_doubt_and_tracin_weights_by_learning_rates() -> None:
    doubt = 1 - np.exp(-0.2)
    expected = STORED[1] / doubt / ROWS / (EIGENVALUES + 0.5)
    np.testing.assert_allclose(queries(trak.METHOD, 1, damping=0.5), expected)
    np.testing.assert_allclose(queries(tracin.METHOD, 1), STORED[1] * [0.5, 0.25, 2.0])


def test_rows_are_scored_by_words_and_by_chance() -> None:
    lexical = SimpleNamespace(scores=lambda text: np.full(ROWS, len(text), np.float32))
    index = version(lexical=lexical)
    assert bm25.METHOD.row_scores(index, stored(3), Values()).tolist() == [6.0] * ROWS
    with pytest.raises(InvalidArgumentError, match="query 'q': missing column 'premise'"):
        bm25.METHOD.row_scores(index, Asked(Query.record({"x": 1}), "q"), Values())
    drawn = random.METHOD.row_scores(index, stored(3), values_of(random.METHOD, seed="4"))
    assert np.array_equal(drawn, uniforms(4, "random|t3", ROWS))


@pytest.mark.parametrize("method", [m for m in BUILT_IN if m.name not in ("random", "bm25")], ids=lambda m: m.name)
def test_a_query_that_is_neither_signed_nor_stored_is_answered_from_no_row(method: Any) -> None:
    with pytest.raises(ServiceError, match="query 'q': neither signed nor stored"):
        method.space(version(), [Asked(Query.record({"premise": "x"}), "q")], values_of(method))


@pytest.mark.parametrize(
    ("method", "ending"),
    [
        (lissa.METHOD, "; scale = 10000, depth = 1000"),
        (random.METHOD, "; seed = 0"),
        (tracin.METHOD, "; learning rates 0.5, 0.25, 2"),
        (grad_dot.METHOD, "(projected where the index projects)"),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_an_answer_says_the_settings_that_its_scores_depend_on(method: Any, ending: str) -> None:
    assert method.said(version(), values_of(method)).scale.endswith(ending)


@pytest.mark.parametrize("method", BUILT_IN, ids=lambda m: m.name)
def test_every_method_says_what_it_is(method: Any) -> None:
    assert method.summary
    assert method.meaning.sign
    assert method.meaning.scale
    assert all(setting.meaning and setting.kind in ("number", "count", "text") for setting in method.settings)
    bare = SimpleNamespace(curvatures=[], checkpoints=[])
    assert bool(method.missing(bare)) == (method.name in ("influence", "lissa", "trak", "tracin"))
