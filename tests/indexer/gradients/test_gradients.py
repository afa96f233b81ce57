"""Gradients of every family and scope against autograd of each instance alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attridex.indexer.gradients.gradients import backward_size
from attridex.indexer.tasks.instance_batches import collate
from tests.indexer.oracles import FAMILIES, batch, instances, sequences, signer


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("parameters", ["head", "linear", "mlp"])
def test_gradients_equal_autograd_of_each_instance_alone(family: str, parameters: str, model_dir: Callable[[str], Path]) -> None:
    made = signer(model_dir(family), gradients={"parameters": parameters, "projection": "none"})
    arch = made.arch
    labels = torch.tensor([0, 1, 2])
    found = made.gradients.take(collate(instances(sequences(), [0, 1, 2]), 0, torch.device("cpu")))
    layers = (
        {"head": arch.head} if parameters == "head" else arch.linear_layers() if parameters == "linear" else arch.ffn_layers()
    )
    for row, ids in enumerate(sequences()):
        weights = [module.weight.requires_grad_(True) for module in layers.values()]
        one = batch([ids])
        loss = torch.nn.functional.cross_entropy(arch.model(one.ids, attention_mask=one.mask).logits, labels[row : row + 1])
        wanted = torch.autograd.grad(loss, weights)
        flat = torch.cat(
            [(g.T if type(m).__name__ == "Conv1D" else g).flatten() for g, m in zip(wanted, layers.values(), strict=True)]
        )
        for weight in weights:
            weight.requires_grad_(False)
        torch.testing.assert_close(found.gradients[row], flat, rtol=1e-4, atol=1e-5 * float(flat.abs().max()))
        assert found.reading.loss[row].item() == pytest.approx(loss.item(), rel=1e-5)


def test_only_float16_losses_are_divided_on_their_way_back_by_the_largest_gradient_in_a_logit() -> None:
    loss = torch.tensor([0.0, 1e-9, 0.5, 20.0])
    assert backward_size(loss, torch.bfloat16).tolist() == [1.0] * 4
    sizes = backward_size(loss, torch.float16)
    assert sizes[0] > 0
    torch.testing.assert_close(sizes[1:], 1 - (-loss[1:].double()).exp(), rtol=1e-6, atol=1e-12, check_dtype=False)
