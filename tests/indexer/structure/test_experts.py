"""Fused experts: found in a model, checked there, and refused where they are of a form that is not known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers as hf
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.structure.experts import Routing, fused_experts
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.conftest import tiny_model
from tests.indexer.mixtures import LANGUAGE, MIXTURES, loaded
from tests.indexer.oracles import instances

SIZES = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 16}


@pytest.mark.parametrize("family", MIXTURES)
def test_sizes_and_places_of_neurons_follow_from_the_weights(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    units = {"qwen2_moe": 8, "qwen3_moe": 8, "glm4_moe": 8}.get(family, 12)
    shared = {"qwen2_moe": [20] * 3, "qwen3_moe": [0, 12, 0], "glm4_moe": [12, 16, 16]}.get(family, [0] * 3)
    assert (arch.experts, arch.expert_units, arch.shared_units) == (4, units, shared)
    assert arch.dense_layers == {"qwen3_moe": [1], "glm4_moe": [0]}.get(family, [])
    assert arch.units("post") == arch.width == 4 * units + max(shared)


@pytest.mark.parametrize("family", MIXTURES)
def test_values_of_routed_units_are_put_in_their_places_and_taken_from_there(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    torch.manual_seed(0)
    routing = Routing(torch.tensor([[3, 1], [0, 2]]), torch.rand(2, 2))
    for layer, experts in enumerate(arch.mixtures):
        if experts:
            values = torch.rand(2, 2 * experts.units)
            whole = arch.placed(layer, values, routing)
            assert torch.equal(whole[0, 3 * experts.units : 4 * experts.units], values[0, : experts.units])
            assert int(whole.count_nonzero()) == values.numel()
            assert torch.equal(arch.picked(layer, whole, routing), values)
        if arch.shared[layer]:
            values = torch.rand(2, arch.shared_units[layer])
            whole = arch.placed(layer, values, None)
            assert torch.equal(arch.picked(layer, whole, None), values)
            assert not whole[:, : arch.routed].any()


def test_experts_that_compute_otherwise_than_they_seem_to_are_not_taken_for_known_ones() -> None:
    model = tiny_model("mixtral")
    assert len(fused_experts(model)) == 3
    odd = model.model.layers[1].mlp.experts
    odd.act_fn = torch.nn.Tanh()
    assert len(fused_experts(model)) == 3
    plain = odd.forward
    odd.forward = lambda states, index, weights: 2 * plain(states, index, weights)
    assert len(fused_experts(model)) == 2
    arch = Architecture(model, where="the model")
    for refused in (lambda: arch.check_site("post"), arch.linear_layers):
        with pytest.raises(InputError, match="the model: "):
            refused()


def test_experts_of_an_unknown_form_are_refused_in_one_line_and_the_head_is_not() -> None:
    model = hf.JetMoeForSequenceClassification(
        hf.JetMoeConfig(**SIZES, kv_channels=6, num_local_experts=4, pad_token_id=0)
    ).eval()
    arch = Architecture(model.requires_grad_(False), where="the model")
    with pytest.raises(InputError, match=r'the model: \S+ holds the weights of experts .* use gradients.parameters = "head"'):
        arch.linear_layers()
    with pytest.raises(InputError, match="finds no FFN of one width in every layer"):
        arch.check_site("post")
    for others in ("head", "kv_proj"):
        made = make_gradients(arch, OBJECTIVES["sequence-classification"], GradientsConfig(parameters=others))
        found = made.take(collate(instances([[1, 5, 6]], [1]), 0, torch.device("cpu")))
        assert found.gradients.any()


def test_logits_of_routers_are_not_asked_for() -> None:
    config = hf.MixtralConfig(**SIZES, num_key_value_heads=2, num_local_experts=4, output_router_logits=True, pad_token_id=0)
    arch = Architecture(hf.MixtralForCausalLM(config).eval().requires_grad_(False))
    assert arch.experts == 4


@pytest.mark.parametrize("family", ["qwen2_moe", "qwen3_moe", "glm4_moe"])
def test_routers_that_compute_in_float32_are_seen_in_bfloat16(family: str, model_dir: Callable[..., Path]) -> None:
    arch = loaded(family, model_dir)
    arch = Architecture(arch.model.to(torch.bfloat16))
    task = "causal-lm" if family in LANGUAGE else "sequence-classification"
    asked = instances([[1, 5, 6, 7]], [1])
    if family in LANGUAGE:
        asked = [replace(each, label=None, reads=(1, 2), wanted=(6, 7)) for each in asked]
    made = make_gradients(arch, OBJECTIVES[task], GradientsConfig(parameters="linear", dim=900))
    found: Tensor = made.take(collate(asked, 0, torch.device("cpu"))).gradients
    for block in made.blocks:
        if block.name.endswith(("gate", "router")):
            assert found[0, block.start : block.stop].any()
