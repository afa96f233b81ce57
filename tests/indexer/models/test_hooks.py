"""Hooks: they see and change what they should, and are gone afterwards, however the block ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from attridex.indexer.models.hooks import captured_linear, differentiable_inputs, edited_ffn
from attridex.indexer.structure.uses import LinearUse
from tests.indexer.oracles import batch, load, sequences


def hooks(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if module._forward_hooks or module._forward_pre_hooks]


def test_hooks_are_removed_when_the_block_fails() -> None:
    layer, uses = nn.Linear(2, 2), {"layer": LinearUse(1, 1, shared=False, tokens_first=False)}
    with pytest.raises(ZeroDivisionError), captured_linear({"layer": layer}, lambda _name, a, _experts: a, lambda *_: None, uses):
        raise ZeroDivisionError
    assert not hooks(layer)


def test_captured_inputs_and_gradients_give_the_weight_s_gradient() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, seen = torch.randn(5, 3, requires_grad=True), dict[str, Tensor]()
    layers = {"first": model[0], "last": model[2]}

    def on_gradient(name: str, kept: Tensor, delta: Tensor) -> None:
        seen[name] = delta.T @ kept

    uses = dict.fromkeys(layers, LinearUse(1, 1, shared=False, tokens_first=False))
    with captured_linear(layers, lambda _name, a, _experts: a, on_gradient, uses):
        model(x).square().sum().backward()
    for name, layer in layers.items():
        torch.testing.assert_close(seen[name], layer.weight.grad)
    assert not hooks(model)


@pytest.mark.parametrize("site", ["post", "head"])
def test_every_layer_is_edited_at_its_site(site: str, model_dir: Callable[[str], Path]) -> None:
    arch, rows, seen = load(model_dir("opt")), batch(sequences()), list[int]()

    def edit(layer: int, x: Tensor, _routing: object) -> Tensor:
        seen.append(layer)
        return torch.zeros_like(x)

    outputs = list[Tensor]()
    modules = arch.ffn_out if site == "post" else arch.attention_out
    spies = [module.register_forward_pre_hook(lambda _m, args: outputs.append(args[0])) for module in modules]
    with edited_ffn(arch, site, edit), torch.no_grad():  # type: ignore[arg-type]
        arch.model(rows.ids, attention_mask=rows.mask)
        for spy in spies:
            spy.remove()
        late = [module.register_forward_pre_hook(lambda _m, args: outputs.append(args[0])) for module in modules]
        outputs.clear()
        arch.model(rows.ids, attention_mask=rows.mask)
    for spy in late:
        spy.remove()
    assert seen == [0, 1, 2, 0, 1, 2]
    assert all(not output.any() for output in outputs)
    assert not hooks(arch.model)


def test_gradients_flow_to_activations_while_parameters_stay_frozen(model_dir: Callable[[str], Path]) -> None:
    arch, rows = load(model_dir("opt")), batch(sequences())
    assert not arch.final_states(rows).requires_grad
    with differentiable_inputs(arch):
        assert arch.final_states(rows).requires_grad
    assert not any(parameter.requires_grad for parameter in arch.model.parameters())
    assert not hooks(arch.model)
