"""K-FAC and EK-FAC against their definitions, one token and one instance at a time."""

import numpy as np
import torch

from attridex.indexer.curvature.kfac import FactorSums, kfac, refit
from attridex.indexer.curvature.tensors import inputs_name, left_name, outputs_name, right_name, tokens_name, values_name
from attridex.indexer.index.records import Block

BLOCKS = [Block(name="a", start=0, stop=6, rows=2, columns=3)]


def sums() -> tuple[FactorSums, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    a, delta, mask = torch.randn(4, 5, 3), torch.randn(4, 5, 2), (torch.rand(4, 5) < 0.7).long()
    found = FactorSums(BLOCKS)
    for rows in (slice(0, 3), slice(3, 4)):
        found.add("a", a[rows], delta[rows], mask[rows])
    return found, a, delta, mask


def test_factors_sum_the_outer_products_of_real_tokens_alone() -> None:
    found, a, delta, mask = sums()
    tensors, real = found.tensors(), mask.bool()
    np.testing.assert_allclose(tensors[inputs_name(0)], sum(np.outer(x, x) for x in a[real].numpy()), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tensors[outputs_name(0)], sum(np.outer(x, x) for x in delta[real].numpy()), rtol=1e-5, atol=1e-6)
    assert tensors[tokens_name(0)].tolist() == [mask.sum()]


def test_kfac_is_the_kronecker_product_of_its_factors() -> None:
    tensors = sums()[0].tensors()
    found = kfac(tensors, 4, 1)
    left, right, values = found[left_name(0)], found[right_name(0)], found[values_name("kfac", 0)]
    basis = np.kron(left, right)
    wanted = np.kron(tensors[outputs_name(0)], tensors[inputs_name(0)]) / (tensors[tokens_name(0)][0] * 4)
    np.testing.assert_allclose(basis @ np.diag(values.ravel()) @ basis.T, wanted, atol=1e-9)


def test_refitted_eigenvalues_are_second_moments_in_the_eigenbasis() -> None:
    tensors = kfac(sums()[0].tensors(), 4, 1)
    gradients = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    found = refit([gradients[:100], gradients[100:]], tensors, BLOCKS)
    basis = np.kron(tensors[left_name(0)], tensors[right_name(0)])
    wanted = ((gradients @ basis) ** 2).mean(0).reshape(2, 3)
    np.testing.assert_allclose(found[values_name("ekfac", 0)], wanted, rtol=1e-5)
