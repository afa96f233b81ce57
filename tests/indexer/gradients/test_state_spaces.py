"""State-space models: gradients of all linear layers, those that a pass multiplies by without calling them, too; no neurons."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from attridex.indexer.config import GradientsConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.registry import OBJECTIVES

FAMILIES = ["mamba", "mamba2", "falcon_mamba"]
ROWS = [((1, 5, 6, 7, 8, 9), (3, 4)), ((1, 9, 10), (0, 1))]


def loaded(family: str, model_dir: Callable[..., Path]) -> Architecture:
    model = AutoModelForCausalLM.from_pretrained(model_dir(family, "causal-lm")).eval().requires_grad_(False)
    return Architecture(model, where="the model")


def asked() -> list[RenderedInstance]:
    """Texts of different lengths, two tokens of each with a loss."""
    return [
        RenderedInstance(str(n), (ids,), None, "", False, {}, reads=at, wanted=tuple(ids[a + 1] for a in at))
        for n, (ids, at) in enumerate(ROWS)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_autograd_of_each_instance_alone(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    config = GradientsConfig(parameters="linear", projection="none")
    found = make_gradients(arch, OBJECTIVES["causal-lm"], config).take(collate(asked(), 0, torch.device("cpu")))
    layers: dict[str, Any] = arch.linear_layers()
    assert any("dt_proj" in name for name in layers) == (family != "mamba2")
    for row, instance in enumerate(asked()):
        weights = [layer.weight.requires_grad_(True) for layer in layers.values()]
        ids = torch.tensor([instance.sequences[0]])
        logits = arch.model(ids, attention_mask=torch.ones_like(ids)).logits
        loss = torch.nn.functional.cross_entropy(logits[0, list(instance.reads)], torch.tensor(instance.wanted))
        flat = torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)])
        for weight in weights:
            weight.requires_grad_(False)
        torch.testing.assert_close(found.gradients[row], flat, rtol=1e-4, atol=1e-5 * float(flat.abs().max()))
        assert found.reading.loss[row].item() == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_neurons_are_refused_in_one_line(family: str, model_dir: Callable[..., Path]) -> None:
    said = r"the model: attridex finds no FFN of one width in every layer of \w+, so it has no neurons; set neurons.enabled"
    with pytest.raises(InputError, match=said):
        loaded(family, model_dir).check_site("post")
