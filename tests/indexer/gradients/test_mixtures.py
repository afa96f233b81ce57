"""Gradients of mixtures of experts: fused weights and routers against autograd of each instance alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.gradients.gradients import Gradients
from attridex.indexer.gradients.projection import global_projection, kronecker_sides
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.structure.experts import ExpertWeight
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.mixtures import LANGUAGE, MIXTURES, loaded
from tests.indexer.oracles import instances

ROWS = [[1, 5, 6, 7, 8], [1, 9, 10]]


def asked(family: str) -> list[RenderedInstance]:
    """Instances of a classifier, or of a language model whose last two tokens have a loss."""
    plain = instances(ROWS, [0, 2])
    if family not in LANGUAGE:
        return plain
    return [
        RenderedInstance(each.id, each.sequences, None, "", False, {}, reads=tuple(at), wanted=tuple(ids[a + 1] for a in at))
        for each, ids in zip(plain, ROWS, strict=True)
        for at in [[len(ids) - 3, len(ids) - 2]]
    ]


def task(family: str) -> Any:
    return OBJECTIVES["causal-lm" if family in LANGUAGE else "sequence-classification"]


def gradients(arch: Architecture, family: str, **settings: Any) -> Gradients:
    return make_gradients(arch, task(family), GradientsConfig(**{"parameters": "linear", "projection": "none", **settings}))


def weights(arch: Architecture) -> dict[str, Tensor]:
    """The parameter behind each name."""
    return {
        name: getattr(layer.experts.module, layer.parameter) if isinstance(layer, ExpertWeight) else layer.get_parameter("weight")
        for name, layer in arch.linear_layers().items()
    }


def plain_gradients(arch: Architecture, family: str, instance: RenderedInstance) -> dict[str, Tensor]:
    """Gradients of one instance's loss by autograd, in the way of a linear layer [outputs, inputs]; of experts one a row of E."""
    own = {name: weight.requires_grad_(True) for name, weight in weights(arch).items()}
    ids = torch.tensor([instance.sequences[0]])
    logits = arch.model(ids, attention_mask=torch.ones_like(ids)).logits
    if family in LANGUAGE:
        loss = torch.nn.functional.cross_entropy(logits[0, list(instance.reads)], torch.tensor(instance.wanted))
    else:
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([instance.label]))
    found = dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
    for weight in own.values():
        weight.requires_grad_(False)
    return {name: g.transpose(1, 2) if g.dim() == 3 and family == "gpt_oss" else g for name, g in found.items()}


@pytest.mark.parametrize("family", MIXTURES)
def test_gradients_equal_autograd_and_are_zero_for_experts_without_a_token(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    made = gradients(arch, family)
    found = made.take(collate(asked(family), 0, torch.device("cpu"))).gradients
    assert any(name.endswith(("mlp.gate", "mlp.router")) for name in weights(arch))
    for row, instance in enumerate(asked(family)):
        expected = plain_gradients(arch, family, instance)
        flat = torch.cat([g.flatten() for g in expected.values()])
        torch.testing.assert_close(found[row], flat, rtol=1e-4, atol=1e-5 * float(flat.abs().max()))
        idle = [g for g in expected.values() if g.dim() == 3 and not g.flatten(1).any(1).all()]
        assert row == 0 or idle  # a short text leaves experts without a token


@pytest.mark.parametrize("family", MIXTURES)
def test_the_scope_of_the_ffn_holds_experts_without_their_routers(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    names = {block.name.removeprefix("model.layers.") for block in gradients(arch, family, parameters="mlp").blocks}
    dense = {"qwen3_moe": [1], "glm4_moe": [0]}.get(family, [])
    shared = {"qwen2_moe": "mlp.shared_expert.", "glm4_moe": "mlp.shared_experts."}.get(family)
    routed = [layer for layer in range(3) if layer not in dense]
    expected = {f"{layer}.mlp.experts.{part}_proj" for layer in routed for part in ("gate_up", "down")}
    expected |= {f"{layer}.mlp.{part}_proj" for layer in dense for part in ("gate", "up", "down")}
    expected |= {f"{layer}.{shared}{part}_proj" for layer in routed for part in ("gate", "up", "down") if shared}
    assert names == expected


@pytest.mark.parametrize("family", ["mixtral", "gpt_oss"])
def test_a_layer_s_experts_share_one_projected_block(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    made = gradients(arch, family, projection="kronecker", dim=len(arch.linear_layers()) * 9)
    found = made.take(collate(asked(family), 0, torch.device("cpu"))).gradients
    for row, instance in enumerate(asked(family)):
        plain = plain_gradients(arch, family, instance)
        for block in made.blocks:
            whole = plain[block.name].reshape(-1, plain[block.name].shape[-1])
            sides = kronecker_sides(block.name, tuple(whole.shape), 9, 0)  # type: ignore[arg-type]
            outer = torch.eye(len(whole)) if sides.outer is None else sides.outer.matrix
            inner = torch.eye(whole.shape[1]) if sides.inner is None else sides.inner.matrix
            expected = (outer @ whole @ inner.T).flatten()
            own = found[row, block.start : block.stop]
            torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-7 + 1e-5 * float(expected.abs().max()))


def test_a_projection_of_everything_sees_experts_as_one_matrix(model_dir: Callable[..., Path]) -> None:
    arch = loaded("mixtral", model_dir)
    found = (
        gradients(arch, "mixtral", projection="sjlt", dim=64).take(collate(asked("mixtral"), 0, torch.device("cpu"))).gradients
    )
    for row, instance in enumerate(asked("mixtral")):
        plain = plain_gradients(arch, "mixtral", instance)
        parts = [global_projection("sjlt", g.numel(), 64, 0, name)(g.flatten()[None]) for name, g in plain.items()]
        expected = torch.stack(parts).sum(0)[0]
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_sums_for_k_fac_count_each_pair_of_a_real_token_and_its_expert(model_dir: Callable[..., Path]) -> None:
    arch = loaded("mixtral", model_dir)
    made = gradients(arch, "mixtral", projection="kronecker", dim=len(arch.linear_layers()) * 9)
    together, alone = FactorSums(made.blocks), FactorSums(made.blocks)
    made.take(collate(asked("mixtral"), 0, torch.device("cpu")), together)
    for each in asked("mixtral"):
        made.take(collate([each], 0, torch.device("cpu")), alone)
    for name, expected in alone.tensors().items():
        torch.testing.assert_close(torch.from_numpy(together.tensors()[name]), torch.from_numpy(expected), rtol=1e-4, atol=1e-6)
    counts = {float(value[0]) for name, value in together.tensors().items() if value.shape == (1,)}
    tokens = sum(map(len, ROWS))
    assert counts == {tokens, 2 * tokens}


def test_a_router_alone_may_be_asked_for(model_dir: Callable[..., Path]) -> None:
    arch = loaded("mixtral", model_dir)
    made = gradients(arch, "mixtral", parameters=r"mlp\.gate$")
    assert [block.name for block in made.blocks] == [f"model.layers.{layer}.mlp.gate" for layer in range(3)]
    found = made.take(collate(asked("mixtral"), 0, torch.device("cpu"))).gradients
    for row, instance in enumerate(asked("mixtral")):
        plain = plain_gradients(arch, "mixtral", instance)
        flat = torch.cat([plain[block.name].flatten() for block in made.blocks])
        torch.testing.assert_close(found[row], flat, rtol=1e-4, atol=1e-5 * float(flat.abs().max()))
