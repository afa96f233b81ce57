"""K-FAC's factors of encoder-decoder models: of each layer those of its own side's tokens, an instance at a time."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.curvature.tensors import inputs_name, outputs_name, tokens_name
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.instance_batches import InstanceBatch, collate
from attridex.indexer.tasks.registry import objective_of
from tests.indexer.models.model_types import BART
from tests.indexer.models.plain_models import found, instances, plain_loss

WIDTHS = {"source longer": (9, 5), "source shorter": (4, 8), "as wide": (7, 7), "twice as wide": (8, 4)}
"""Tokens of the longest source and target of a batch."""


def pairs(source: int, target: int) -> list[RenderedInstance]:
    """Two instances; the second one's source is a token shorter, its target three."""
    rows = []
    for each, less in zip(instances("seq2seq-lm"), (0, 1), strict=True):
        at, read = tuple(range(target - 3 * less)), tuple(range(20, 20 + source - less))
        wanted = tuple(11 + place for place in at)
        rows.append(replace(each, sequences=((0, *wanted[:-1]),), reads=at, wanted=wanted, source=read))
    return rows


def alone(arch: Architecture, instance: RenderedInstance) -> dict[str, tuple[Tensor, Tensor]]:
    """Inputs [T, i] and output gradients [T, o] of each linear layer in a plain pass of one instance."""
    given, gave = dict[str, Tensor](), dict[str, Tensor]()

    def watch(name: str, args: tuple[Tensor, ...], output: Tensor) -> None:
        given[name], gave[name] = args[0].detach(), output

    layers = arch.linear_layers()
    weights = [layer.get_parameter("weight").requires_grad_(True) for layer in layers.values()]  # type: ignore[union-attr]
    modules = {name: arch.model.get_submodule(name) for name in layers}
    hooks = [
        module.register_forward_hook(lambda _module, args, output, name=name: watch(name, args, output))
        for name, module in modules.items()
    ]
    deltas = torch.autograd.grad(plain_loss(arch.model, instance), [gave[name] for name in layers] if gave else [])
    for hook in hooks:
        hook.remove()
    for weight in weights:
        weight.requires_grad_(False)
    return {name: (given[name].flatten(0, -2), delta.flatten(0, -2)) for name, delta in zip(layers, deltas, strict=True)}


def taken(arch: Architecture, batch: InstanceBatch) -> tuple[Any, dict[str, Any]]:
    """The layers' blocks, and what is summed of a batch."""
    settings = GradientsConfig(parameters="linear", projection="none")
    gradients = make_gradients(arch, objective_of("seq2seq-lm", arch.outputs), settings)
    sums = FactorSums(gradients.blocks)
    gradients.take(batch, sums)
    return gradients.blocks, sums.tensors()


@pytest.mark.parametrize("name", ["t5", "bart"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_factors_are_sums_over_the_real_tokens_of_each_layer_s_own_side(name: str, widths: str) -> None:
    rows = pairs(*WIDTHS[widths])
    blocks, sums = taken(found(name, "seq2seq-lm"), collate(rows, 0, torch.device("cpu")))
    plain = [alone(found(name, "seq2seq-lm"), row) for row in rows]
    for number, block in enumerate(blocks):
        for part, key in enumerate((inputs_name(number), outputs_name(number))):
            wanted = sum(each[block.name][part].T @ each[block.name][part] for each in plain)
            torch.testing.assert_close(
                torch.tensor(sums[key]).float(), wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()), msg=block.name
            )
        assert sums[tokens_name(number)].tolist() == [sum(len(each[block.name][0]) for each in plain)]


def test_a_layer_whose_rows_are_the_tokens_of_neither_side_is_refused() -> None:
    """LED pads its source to a multiple of its window."""
    led = hf.LEDForConditionalGeneration(hf.LEDConfig(**BART, attention_window=4)).eval().requires_grad_(False)
    with pytest.raises(InputError, match="neither the source's tokens nor the target's, so K-FAC cannot tell"):
        taken(Architecture(led), collate(pairs(9, 5), 0, torch.device("cpu")))
