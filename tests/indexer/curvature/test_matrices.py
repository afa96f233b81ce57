"""Curvatures as matrices against slow loops over instances."""

import numpy as np
import pytest

from attridex.indexer.curvature import matrices
from attridex.indexer.curvature.matrices import check_size, decompose, doubt, fisher, head_hessian, trak_kernel
from attridex.indexer.curvature.tensors import values_name, vectors_name
from attridex.indexer.errors import InputError
from attridex.indexer.index.records import Block

BLOCKS = [Block(name="a", start=0, stop=4, rows=2, columns=2), Block(name="b", start=4, stop=7, rows=1, columns=3)]
CHANCE = np.random.default_rng(0)
GRADIENTS = CHANCE.standard_normal((9, 7)).astype(np.float32)


@pytest.fixture(autouse=True, params=[4, 1024], ids=["chunks of 4", "one chunk"])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "CHUNK", request.param)


def test_fisher_is_the_mean_outer_product_of_each_block() -> None:
    for block, found in zip(BLOCKS, fisher([GRADIENTS[:5], GRADIENTS[5:]], BLOCKS), strict=True):
        parts = GRADIENTS[:, block.start : block.stop].astype(float)
        np.testing.assert_allclose(found, np.mean([np.outer(g, g) for g in parts], 0), rtol=1e-10)


def test_trak_s_kernel_is_that_of_the_margin_s_gradients() -> None:
    loss = CHANCE.random(9) * 3
    (found,) = trak_kernel([GRADIENTS], [loss], 7)
    margins = [g / -(1 - np.exp(-own)) for g, own in zip(GRADIENTS.astype(float), loss, strict=True)]
    np.testing.assert_allclose(found, np.mean([np.outer(m, m) for m in margins], 0), rtol=1e-6)


def test_doubt_is_exact_where_p_is_near_1_and_never_0() -> None:
    assert doubt(np.array([1e-11, 0.0, 700.0])).tolist() == pytest.approx([1e-11, 1e-12, 1.0], rel=1e-9)


def test_the_hessian_of_the_head_is_the_kronecker_product_of_its_definition() -> None:
    p = CHANCE.dirichlet(np.ones(3), 9).astype(np.float32)
    h = CHANCE.standard_normal((9, 4)).astype(np.float32)
    (found,) = head_hessian([p[:2], p[2:]], [h[:2], h[2:]], 3, 4)
    wanted = np.mean(
        [np.kron(np.diag(q) - np.outer(q, q), np.outer(x, x)) for q, x in zip(p.astype(float), h.astype(float), strict=True)], 0
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_a_decomposition_gives_the_matrix_back_without_negative_eigenvalues() -> None:
    matrix = (lambda a: a @ a.T)(CHANCE.standard_normal((5, 3)))
    tensors = decompose("fisher", [matrix])
    values, vectors = tensors[values_name("fisher", 0)], tensors[vectors_name("fisher", 0)]
    assert values.min() >= 0
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, matrix, atol=1e-12)


@pytest.mark.parametrize(("kind", "size"), [("fisher", 20_000), ("trak", 20_000), ("hessian", 20_000), ("ekfac", 20_000)])
def test_a_matrix_too_large_to_decompose_is_refused_before_any_work(kind: str, size: int) -> None:
    check_size([kind], BLOCKS)
    with pytest.raises(InputError, match=f"'{kind}' of block .* has {size} rows, at most 16384"):
        check_size([kind], [Block(name="a", start=0, stop=size, rows=1, columns=size)])
