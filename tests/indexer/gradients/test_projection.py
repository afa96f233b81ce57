"""Projections keep inner products on average, with variance 1/dim, and are the same everywhere."""

import numpy as np
import pytest
import torch

from attridex.indexer.gradients.projection import (
    DenseProjection,
    Side,
    global_projection,
    kronecker_shape,
    kronecker_sides,
    normals,
    signs,
)

SIZE, DIM, SEEDS = 60, 32, 600


@pytest.mark.parametrize("kind", ["gaussian", "rademacher", "sjlt"])
def test_projected_inner_products_are_unbiased_with_variance_one_over_dim(kind: str) -> None:
    torch.manual_seed(0)
    x, y = (torch.nn.functional.normalize(torch.randn(SIZE), dim=0) for _ in range(2))
    found = []
    for seed in range(SEEDS):
        p = global_projection(kind, SIZE, DIM, seed, "block")
        px, py = p(x[None])[0], p(y[None])[0]
        found.append(float(px @ py))
    exact = float(x @ y)
    # Var <Px, Py> = (1 + <x, y>^2) / dim for gaussian entries, at most that for the others.
    spread = (1 + exact**2) / DIM
    assert abs(np.mean(found) - exact) < 4 * np.sqrt(spread / SEEDS)
    assert np.var(found) < 1.3 * spread


def test_kronecker_sides_keep_inner_products_on_average() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(20, 30), torch.randn(20, 30)
    found = []
    for seed in range(SEEDS):
        sides = kronecker_sides("layer", (20, 30), 64, seed)
        assert sides.outer is not None
        assert sides.inner is not None
        left, right = sides.outer.matrix, sides.inner.matrix
        found.append(float(((left @ x @ right.T) * (left @ y @ right.T)).sum()))
    exact, scale = float((x * y).sum()), float(x.norm() * y.norm())
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / np.sqrt(SEEDS)
    # Two sides of 8: variance up to (1 + 1/8)^2 - 1 of the product of norms, and its square.
    assert np.std(found) < scale * np.sqrt((1 + 2 / 8) ** 2 - 1)


def test_kronecker_shares_are_near_square_within_the_budget_and_never_grow_a_side() -> None:
    assert kronecker_shape((100, 100), 64) == (8, 8)
    assert kronecker_shape((100, 100), 57) == (7, 8)
    assert kronecker_shape((3, 100), 64) == (3, 21)
    assert kronecker_shape((100, 3), 64) == (21, 3)
    assert kronecker_shape((2, 2), 64) == (2, 2)
    assert kronecker_shape((100, 100), 1) == (1, 1)


def test_a_side_filled_up_with_zero_rows_gives_what_it_gives_alone() -> None:
    side, x = torch.randn(3, 7), torch.randn(2, 5, 7)
    projected = Side(side)
    torch.testing.assert_close(projected(x), x @ side.T)
    torch.testing.assert_close(projected(x.bfloat16()), x.bfloat16() @ side.bfloat16().T)
    torch.testing.assert_close(projected(x.double()), x.double() @ side.double().T)  # nothing of bfloat16's rounding stays


def test_the_random_numbers_are_those_of_every_machine() -> None:
    assert signs(7, "layer", 16).astype(int).tolist() == [1, 1, -1, 1, -1, -1, -1, -1, -1, 1, -1, -1, -1, -1, -1, 1]
    assert normals(7, "layer", 3).tolist() == pytest.approx(
        [0.8967977166175842, 0.4704679250717163, -0.35402461886405945], rel=1e-6
    )
    x = torch.eye(6)
    assert global_projection("sjlt", 6, 4, 7, "layer")(x).abs().argmax(1).tolist() == [1, 2, 0, 0, 1, 0]
    assert np.array_equal(signs(7, "layer", 1000)[256:], signs(7, "layer", 744, 256))
    assert np.array_equal(normals(7, "layer", 1000)[500:], normals(7, "layer", 500, 500))


def test_a_dense_projection_made_chunk_by_chunk_is_the_one_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 3000)
    for kind in ("gaussian", "rademacher"):
        kept = DenseProjection(kind, 3000, 8, 1, "a")(x)
        monkeypatch.setattr("attridex.indexer.gradients.projection.KEPT_BYTES", 0)
        monkeypatch.setattr("attridex.indexer.gradients.projection.CHUNK", 8 * 512)
        torch.testing.assert_close(DenseProjection(kind, 3000, 8, 1, "a")(x), kept, rtol=1e-4, atol=1e-4)
        monkeypatch.undo()
