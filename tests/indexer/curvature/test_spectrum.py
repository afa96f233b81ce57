"""Spectra: functions of a curvature are those of the whole matrix."""

import numpy as np
import pytest

from attridex.indexer.curvature.spectrum import DenseBlock, KroneckerBlock, Spectrum, inverse, lissa, lissa_fits
from attridex.indexer.curvature.tensors import left_name, right_name, values_name, vectors_name
from attridex.indexer.index.records import Block

CHANCE = np.random.default_rng(0)


def orthogonal(size: int) -> np.ndarray:
    return np.linalg.qr(CHANCE.standard_normal((size, size)))[0]


DENSE = DenseBlock(slice(0, 3), CHANCE.random(3), orthogonal(3))
KRONECKER = KroneckerBlock(slice(3, 9), CHANCE.random((2, 3)), orthogonal(2), orthogonal(3))
SPECTRUM = Spectrum([DENSE, KRONECKER])


def whole() -> np.ndarray:
    """The matrix [9, 9]."""
    basis = np.kron(KRONECKER.left, KRONECKER.right)
    found = np.zeros((9, 9))
    found[:3, :3] = DENSE.vectors @ np.diag(DENSE.values) @ DENSE.vectors.T
    found[3:, 3:] = basis @ np.diag(KRONECKER.values.ravel()) @ basis.T
    return found


def test_the_inverse_and_its_quadratic_form_are_those_of_the_damped_matrix() -> None:
    x, solved = CHANCE.standard_normal((4, 9)), np.linalg.inv(whole() + 0.3 * np.eye(9))
    np.testing.assert_allclose(SPECTRUM.apply(x, inverse(0.3)), x @ solved, rtol=1e-9)
    np.testing.assert_allclose(SPECTRUM.quadratic(x, inverse(0.3)), [row @ solved @ row for row in x], rtol=1e-9)


@pytest.mark.parametrize("panel_bytes", [1, 5 * 8 * 37, 1 << 21])
def test_no_row_changes_a_bit_of_another(panel_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attridex.indexer.curvature.spectrum.PANEL_BYTES", panel_bytes)
    dense = DenseBlock(slice(0, 37), CHANCE.random(37), orthogonal(37))
    spectrum = Spectrum([dense, KroneckerBlock(slice(37, 37 + 63), CHANCE.random((7, 9)), orthogonal(7), orthogonal(9))])
    x = CHANCE.standard_normal((20, 100))
    together = spectrum.apply(x, inverse(0.3))
    np.testing.assert_allclose(together[:, :37], x[:, :37] @ dense.vectors / (dense.values + 0.3) @ dense.vectors.T, rtol=1e-9)
    for rows in (slice(0, 1), slice(3, 4), slice(2, 17), slice(19, 20)):
        assert np.array_equal(spectrum.apply(x[rows].copy(), inverse(0.3)), together[rows])


@pytest.mark.parametrize("depth", [0, 3, 40])
def test_lissa_is_its_recursion(depth: int) -> None:
    g, damping, scale = CHANCE.standard_normal((1, 9)), 0.01, 2.0
    v = g
    for _ in range(depth):
        v = g + (1 - damping) * v - v @ whole() / scale
    np.testing.assert_allclose(SPECTRUM.apply(g, lissa(damping, scale, depth)), v / scale, rtol=1e-9)
    assert lissa_fits(SPECTRUM, damping, scale)
    assert not lissa_fits(SPECTRUM, damping, SPECTRUM.largest / 2)


def test_a_spectrum_is_read_by_the_names_of_its_tensors() -> None:
    layers = [Block(name="a", start=0, stop=6, rows=2, columns=3)]
    tensors = {
        values_name("ekfac", 0): KRONECKER.values, left_name(0): KRONECKER.left, right_name(0): KRONECKER.right,
        values_name("fisher", 0): CHANCE.random(6), vectors_name("fisher", 0): orthogonal(6),
    }  # fmt: skip
    assert isinstance(Spectrum.read(tensors, "ekfac", layers, 6).blocks[0], KroneckerBlock)
    fisher = Spectrum.read(tensors, "fisher", layers, 6)
    assert isinstance(fisher.blocks[0], DenseBlock)
    assert fisher.damping == pytest.approx(0.1 * fisher.mean)
