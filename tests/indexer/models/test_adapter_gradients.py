"""Gradients of LoRA weights and of the merged model, against PEFT's own unmerged model and autograd."""

from pathlib import Path

import pytest
import torch

from attridex.indexer.config import parse_config
from attridex.indexer.models.adapters import read_adapter
from attridex.indexer.models.low_rank import factor_layers
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, word_tokenizer
from tests.indexer.models.lora import (
    BIAS,
    BIASES,
    CHOICE,
    CLASSIFY,
    DORA,
    LM,
    RANKED,
    Made,
    close,
    plain_loss,
    rendered,
    signer,
    unmerged,
)

CASES = [
    ("opt", CLASSIFY),
    ("llama", CLASSIFY),
    ("gpt2", CLASSIFY),
    ("bert", CLASSIFY),
    ("opt", LM),
    ("llama", LM),
    ("gpt2", LM),
    ("llama", CHOICE),
]
VARIANTS = [
    ("opt", CLASSIFY, RANKED),
    ("gpt2", LM, DORA),
    ("bert", CLASSIFY, DORA),
    ("llama", CHOICE, DORA),
    ("gpt2", CLASSIFY, BIAS),
    ("llama", LM, BIAS),  # whose layers have no bias of their own
]


@pytest.mark.parametrize(("family", "task", "kind"), [*((*case, {}) for case in CASES), *VARIANTS], ids=str)
@pytest.mark.filterwarnings(*BIASES)
def test_gradients_of_every_lora_weight_equal_autograd_of_each_instance_alone(
    family: str, task: str, kind: dict[str, bool], saved: Made
) -> None:
    base, adapter = saved(family, task, **kind)
    made = signer(base, adapter, task, gradients={"parameters": "adapter", "projection": "none"})
    model = unmerged(base, adapter, task)
    weights = {
        name.removeprefix("base_model.model.").replace(".default", "").removesuffix(".weight"): weight.requires_grad_(True)
        for name, weight in model.named_parameters()
        if "lora_" in name
    }
    assert {block.name for block in made.gradients.blocks} == set(weights)
    for instance, signature in zip(rendered(made), made.sign(rendered(made), neurons=False), strict=True):
        loss = plain_loss(model, instance)
        wanted = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
        close(signature.gradient, torch.cat([wanted[block.name].flatten() for block in made.gradients.blocks]))
        assert all(bool(gradient.abs().max() > 0) for name, gradient in wanted.items() if "pooler" not in name)
        assert signature.loss == pytest.approx(loss.item(), rel=1e-4)


@pytest.mark.parametrize(("family", "task"), CASES, ids=lambda case: case)
def test_linear_gradients_neurons_and_predictions_equal_those_of_the_merged_model_saved_alone(
    family: str, task: str, saved: Made, tmp_path: Path
) -> None:
    base, adapter = saved(family, task)
    whole = unmerged(base, adapter, task).merge_and_unload()
    whole.save_pretrained(tmp_path / "merged")
    word_tokenizer().save_pretrained(tmp_path / "merged")
    config = {"model": {"path": str(tmp_path / "merged"), "task": task}, "corpus": {"files": ["x"], **SHOWN[task]}}
    linear = {"parameters": "linear", "projection": "none"}
    alone = Signer.load(parse_config({**config, "neurons": {"steps": 4}, "gradients": linear}, "test", base))
    wanted = alone.sign(rendered(alone))
    for gradients in (linear, {"parameters": "adapter"}):
        made = signer(base, adapter, task, gradients=gradients)
        for found, other in zip(made.sign(rendered(made)), wanted, strict=True):
            for name in ("scores", "activation", "probabilities", "hidden"):
                close(getattr(found, name), torch.tensor(getattr(other, name)))
            if gradients is linear:
                close(found.gradient, torch.tensor(other.gradient))
            assert (found.predicted, found.greedy) == (other.predicted, other.greedy)


def test_an_adapter_says_what_it_brings(saved: Made) -> None:
    base, adapter = saved("opt", outputs=5)
    found = read_adapter(str(adapter))
    assert (found.outputs("score"), found.outputs("classifier")) == (5, None)
    layers = factor_layers(signer(base, adapter, gradients={"parameters": "adapter"}).arch.adapter)
    assert {f"{name}.weight" for name in layers} == {name for name in found.weights if "lora_" in name}
