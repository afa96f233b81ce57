"""LoRA adapters are merged as PEFT computes them, with the head, the embeddings and the experts that they bring."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers as hf

from attridex.indexer.config import parse_config
from attridex.indexer.errors import InputError
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, tiny_model, word_tokenizer
from tests.indexer.models.lora import (
    BIAS,
    BIASES,
    CLASSIFY,
    DORA,
    LM,
    VOCABULARY,
    Made,
    close,
    plain_logits,
    plain_loss,
    rendered,
    signer,
    unmerged,
)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"trainable_token_indices": [VOCABULARY, VOCABULARY + 1]},
        {"target_modules": ["embed_tokens", "q_proj"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.filterwarnings("ignore:.*(save_embedding_layers|tie_word_embeddings|ensure_weight_tying).*:UserWarning")
def test_an_adapter_trained_with_more_embeddings_than_its_base_is_read_with_them(
    more: dict[str, Any], tied: bool, tmp_path: Path
) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    torch.manual_seed(0)
    small = hf.LlamaConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, vocab_size=VOCABULARY,
        tie_word_embeddings=tied,
    )  # fmt: skip
    hf.LlamaForCausalLM(small).save_pretrained(base)
    word_tokenizer().save_pretrained(base)
    grown = hf.AutoModelForCausalLM.from_pretrained(base)
    grown.resize_token_embeddings(VOCABULARY + 2)
    model = peft.get_peft_model(grown, peft.LoraConfig(r=2, task_type="CAUSAL_LM", **{"target_modules": ["q_proj"], **more}))
    with torch.no_grad():
        for weight in (each for each in model.parameters() if each.requires_grad):
            weight.add_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(adapter)
    if "target_modules" in more and not tied:  # PEFT does not save the new rows of the output layer then
        with pytest.raises(InputError, match="does not bring those of lm_head"):
            signer(base, adapter, LM)
        return
    made = signer(base, adapter, LM)
    ids = [3, 5, VOCABULARY + 1, VOCABULARY, 7]
    found = made.arch.model(torch.tensor([ids])).logits
    torch.testing.assert_close(found, model.eval()(torch.tensor([ids])).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "kind", "refused"),
    [
        ("opt", {}, ""),
        ("opt", DORA, ""),
        ("llama", BIAS, ""),
        ("gpt2", {"init_lora_weights": "mica"}, "variant of LoRA"),
        ("llama", {"target_modules": ["embed_tokens", "q_proj"]}, "adapts no linear layer"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings(*BIASES)
def test_loras_of_every_kind_are_merged_as_peft_computes_them(
    family: str, kind: dict[str, Any], refused: str, saved: Made
) -> None:
    base, adapter = saved(family, **kind)
    made, model = signer(base, adapter), unmerged(base, adapter, CLASSIFY)
    for instance, signature in zip(rendered(made), made.sign(rendered(made), neurons=False), strict=True):
        close(signature.probabilities, plain_logits(model, instance).softmax(0).detach())
    if refused:  # its own weights are no two linear layers
        with pytest.raises(InputError, match=refused):
            signer(base, adapter, gradients={"parameters": "adapter"})


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_an_adapted_output_layer_leaves_tied_embeddings_alone(saved: Made) -> None:
    base, adapter = saved("opt", LM, target_modules=["lm_head", "fc1"])
    made, model = signer(base, adapter, LM), unmerged(base, adapter, LM)
    for instance, signature in zip(rendered(made), made.sign(rendered(made), neurons=False), strict=True):
        assert signature.loss == pytest.approx(plain_loss(model, instance).item(), rel=1e-4)
    with pytest.raises(InputError, match="output layer"):
        signer(base, adapter, LM, gradients={"parameters": "adapter"})


def test_the_head_of_the_adapter_decides_how_many_outputs_there_are(saved: Made) -> None:
    base, adapter = saved("llama", outputs=5)
    assert signer(base, adapter).labels == [f"LABEL_{number}" for number in range(5)]
    names = ["a", "b", "c", "d", "e"]
    corpus = {"files": ["x.jsonl"], **SHOWN[CLASSIFY]}
    assert signer(base, adapter, corpus={**corpus, "labels": names}).labels == names
    with pytest.raises(InputError, match="names 2 labels"):
        signer(base, adapter, corpus={**corpus, "labels": ["a", "b"]})


def test_a_trained_head_of_the_base_gives_way_to_the_adapters(saved: Made, model_dir: Callable[..., Path]) -> None:
    _, adapter = saved("opt", outputs=4)
    made = signer(model_dir("opt"), adapter)
    head = peft.utils.load_peft_weights(str(adapter), device="cpu")["base_model.model.score.weight"]
    assert torch.equal(made.arch.head.weight, head)


def test_a_lora_over_fused_experts_is_merged_and_its_own_weights_are_refused(tmp_path: Path) -> None:
    tiny_model("mixtral").save_pretrained(tmp_path / "base")
    word_tokenizer().save_pretrained(tmp_path / "base")
    fused = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    settings = peft.LoraConfig(
        r=2, lora_alpha=4, target_modules=["q_proj"], target_parameters=fused, modules_to_save=["score"], task_type="SEQ_CLS"
    )
    wrapped = peft.get_peft_model(tiny_model("mixtral"), settings).eval()
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora" in name:
            weight.data = torch.randn_like(weight) * 0.2
    wrapped.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([[1, 5, 6, 7, 8]])
    config: dict[str, Any] = {
        "model": {"path": str(tmp_path / "base"), "adapter": str(tmp_path / "adapter")},
        "corpus": {"files": ["x.jsonl"], **SHOWN[CLASSIFY]},
    }
    made = Signer.load(parse_config({**config, "gradients": {"parameters": "linear", "dim": 900}}, "test", tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(made.arch.model(ids).logits, wrapped(ids).logits, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"experts adapts no linear layer; use \"linear\" or \"mlp\""):
        Signer.load(parse_config({**config, "gradients": {"parameters": "adapter"}}, "test", tmp_path))
