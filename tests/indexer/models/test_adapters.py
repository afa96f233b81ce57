"""LoRA adapters: gradients of their own weights and of the merged model, against PEFT's own unmerged model and autograd."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers as hf
from torch import Tensor

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.models.adapters import read_adapter
from attridex.indexer.models.identity import model_hash
from attridex.indexer.models.low_rank import factor_layers
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, SMALL, records, tiny_model, word_tokenizer

TARGETS = {
    "opt": ["q_proj", "v_proj", "fc1", "fc2"],
    "llama": ["q_proj", "k_proj", "o_proj", "gate_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj"],
    "bert": ["query", "value", "dense"],
}
VOCABULARY = SMALL["vocab_size"]
CLASSIFY, LM, CHOICE = "sequence-classification", "causal-lm", "multiple-choice"
KIND = {CLASSIFY: "SEQ_CLS", LM: "CAUSAL_LM", CHOICE: "SEQ_CLS"}
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
RANKED, DORA, BIAS = {"use_rslora": True}, {"use_dora": True}, {"lora_bias": True}
VARIANTS = [
    ("opt", CLASSIFY, RANKED),
    ("gpt2", LM, DORA),
    ("bert", CLASSIFY, DORA),
    ("llama", CHOICE, DORA),
    ("gpt2", CLASSIFY, BIAS),
    ("llama", LM, BIAS),  # whose layers have no bias of their own
]
BIASES = ("ignore:`lora_bias=True` was passed:UserWarning", "ignore:Adapter 'default'.*invalid shape.*bias:UserWarning")
"""PEFT of layers without a bias, and of a bias that it takes for a matrix."""
Made = Callable[..., tuple[Path, Path]]


@pytest.fixture
def saved(tmp_path: Path) -> Made:
    """Directories of a base model without trained head, and of an adapter with random A, B and head."""

    def make(family: str, task: str = CLASSIFY, outputs: int = 3, **settings: Any) -> tuple[Path, Path]:
        base, adapter = tmp_path / "base", tmp_path / "adapter"
        whole = tiny_model(family, task)
        (whole if task == LM else whole.base_model).save_pretrained(base)
        word_tokenizer().save_pretrained(base)
        made = hf.AutoModelForCausalLM if task == LM else hf.AutoModelForSequenceClassification
        more = {} if task == LM else {"num_labels": 1 if task == CHOICE else outputs}
        settings = {"r": 3, "lora_alpha": 5, "target_modules": TARGETS[family], "task_type": KIND[task], **settings}
        if family == "gpt2":
            settings["fan_in_fan_out"] = True
        model = peft.get_peft_model(made.from_pretrained(base, **more), peft.LoraConfig(**settings))
        torch.manual_seed(1)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "magnitude" in name:
                    weight.mul_(1 + torch.rand_like(weight))
                elif "lora_" in name or "modules_to_save" in name or "trainable_tokens_delta" in name:
                    weight.copy_(torch.randn_like(weight) * 0.3)
        model.save_pretrained(adapter, save_embedding_layers=False)
        return base, adapter

    return make


def signer(base: Path, adapter: Path, task: str = CLASSIFY, **sections: dict[str, Any]) -> Signer:
    config = {
        "model": {"path": str(base), "adapter": str(adapter), "task": task},
        "corpus": {"files": ["x.jsonl"], **SHOWN[task]},
        "neurons": {"steps": 4},
        **sections,
    }
    return Signer.load(parse_config(config, "test", base))


def unmerged(base: Path, adapter: Path, task: str, outputs: int = 3) -> Any:
    """PEFT's own model, its adapter beside the base model's weights."""
    made = hf.AutoModelForCausalLM if task == LM else hf.AutoModelForSequenceClassification
    more = {} if task == LM else {"num_labels": 1 if task == CHOICE else outputs}
    return peft.PeftModel.from_pretrained(made.from_pretrained(base, **more), adapter).eval()


def rendered(made: Signer) -> list[RenderedInstance]:
    return [made.render(row, "row") for row in records(6)[1:5]]


def plain_logits(model: Any, instance: RenderedInstance) -> Tensor:
    """A language model's logits [T, V] of its one sequence, else the outputs [C]."""
    found = [model(torch.tensor([ids])).logits[0] for ids in instance.sequences]
    return found[0] if len(found) == 1 else torch.cat(found)


def plain_loss(model: Any, instance: RenderedInstance) -> Tensor:
    logits = plain_logits(model, instance)
    if not instance.reads:
        return -logits.log_softmax(0)[instance.label]
    ids = torch.tensor(instance.sequences[0])[-len(instance.reads) :]
    return torch.nn.functional.cross_entropy(logits[-len(instance.reads) - 1 : -1], ids)


def close(found: Any, wanted: Tensor) -> None:
    torch.testing.assert_close(torch.tensor(found), wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max()))


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


def test_predictions_equal_those_of_the_unmerged_model(saved: Made) -> None:
    base, adapter = saved("opt")
    made, model = signer(base, adapter), unmerged(base, adapter, CLASSIFY)
    for instance, signature in zip(rendered(made), made.sign(rendered(made)), strict=True):
        close(signature.probabilities, plain_logits(model, instance).softmax(0).detach())


@pytest.mark.parametrize(("family", "kind"), [("opt", DORA), ("llama", BIAS), ("gpt2", {"init_lora_weights": "mica"})], ids=str)
@pytest.mark.filterwarnings(*BIASES)
def test_variants_of_lora_are_merged_as_peft_computes_them(family: str, kind: dict[str, Any], saved: Made) -> None:
    base, adapter = saved(family, **kind)
    made, model = signer(base, adapter), unmerged(base, adapter, CLASSIFY)
    for instance, signature in zip(rendered(made), made.sign(rendered(made)), strict=True):
        close(signature.probabilities, plain_logits(model, instance).softmax(0).detach())
    if "init_lora_weights" in kind:
        with pytest.raises(InputError, match="variant of LoRA"):
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


def test_an_adapter_says_what_it_brings(saved: Made) -> None:
    base, adapter = saved("opt", outputs=5)
    found = read_adapter(str(adapter))
    assert (found.outputs("score"), found.outputs("classifier")) == (5, None)
    layers = factor_layers(signer(base, adapter, gradients={"parameters": "adapter"}).arch.adapter)
    assert {f"{name}.weight" for name in layers} == {name for name in found.weights if "lora_" in name}


def test_a_trained_head_of_the_base_gives_way_to_the_adapters(saved: Made, model_dir: Callable[..., Path]) -> None:
    _, adapter = saved("opt", outputs=4)
    made = signer(model_dir("opt"), adapter)
    head = peft.utils.load_peft_weights(str(adapter), device="cpu")["base_model.model.score.weight"]
    assert torch.equal(made.arch.head.weight, head)


def test_the_models_identity_follows_the_adapter(saved: Made, tmp_path: Path) -> None:
    base, adapter = saved("opt")
    config = signer(base, adapter).config.model
    before = model_hash(config)
    assert before != model_hash(config.model_copy(update={"adapter": None}))
    shutil.copytree(adapter, tmp_path / "moved")
    assert model_hash(config.model_copy(update={"adapter": str(tmp_path / "moved")})) == before
    path = adapter / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert model_hash(config) != before


def test_checkpoints_are_adapters_of_the_same_base(saved: Made, tmp_path: Path) -> None:
    base, adapter = saved("opt")
    shutil.copytree(adapter, tmp_path / "earlier")
    model = {"path": str(base), "adapter": str(adapter), "checkpoints": [str(tmp_path / "earlier")]}
    made = signer(base, adapter, model=model, gradients={"parameters": "adapter"})
    for signature in made.sign(rendered(made), tracin=True, neurons=False):
        np.testing.assert_allclose(signature.tracin, signature.gradient, rtol=1e-5)


@pytest.mark.parametrize("parameters", ["adapter", "linear", "head"])
def test_an_index_of_an_adapter_is_built_and_answers(
    parameters: str, saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    base, adapter = saved("opt")
    gradients = {"parameters": parameters, "curvature": ["fisher", "ekfac"]}
    config = project(model={"path": str(base), "adapter": "adapter"}, gradients=gradients)
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    assert attridex("info", tmp_path / "i", "--json").lines[0]["adapter"] == str(adapter)
    first = attridex("query", "ia", "--instance", "t3", "--index", tmp_path / "i", "--method", "grad-cos", "--json").lines[0]
    assert first["hits"][0]["id"] == "t3"
    for curvature in ("fisher", "ekfac"):
        method = ["--method", "influence", "--curvature", curvature]
        ran = attridex("query", "ia", "--queries", tmp_path / "queries.jsonl", "--index", tmp_path / "i", *method)
        assert ran.code == 0, ran.err
    for command in ("na", "ia-neurons", "na-instances"):
        ran = attridex("query", command, "--queries", tmp_path / "queries.jsonl", "--index", tmp_path / "i")
        assert ran.code == 0, ran.err
    path = adapter / "adapter_config.json"
    path.write_text(path.read_text() + "\n")
    ran = attridex("query", "ia", "--queries", tmp_path / "queries.jsonl", "--index", tmp_path / "i")
    assert "not the model that this index was built with" in ran.err


def refused(ran: Any, *words: str, code: int = 2) -> None:
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == 1
    for word in words:
        assert word in ran.err


def broken(adapter: Path, how: str) -> None:
    """Spoil an adapter in one way."""
    settings = json.loads((adapter / "adapter_config.json").read_text())
    weights = peft.utils.load_peft_weights(str(adapter), device="cpu")
    if how == "no settings":
        (adapter / "adapter_config.json").unlink()
        return
    if how == "no weights":
        (adapter / "adapter_model.safetensors").unlink()
        return
    if how == "unreadable":
        (adapter / "adapter_model.safetensors").write_bytes(b"no tensors")
        return
    if how == "other kind":
        settings["peft_type"] = "IA3"
    elif how == "activated":
        settings["alora_invocation_tokens"] = [3, 4]
    elif how == "no such layer":
        settings["target_modules"] = ["nowhere"]
    elif how == "other size":
        settings["r"] = 2
    elif how == "weight lost":
        del weights[next(name for name in weights if "lora_B" in name)]
    elif how == "head lost":
        del weights["base_model.model.score.weight"]
    elif how == "not a number":
        next(value for name, value in weights.items() if "lora_B" in name)[0] = float("nan")
    elif how == "no JSON":
        settings = None
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    save = importlib.import_module("safetensors.torch").save_file
    save(weights, adapter / "adapter_model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no settings", ["no PEFT adapter there", "model.adapter"]),
        ("no weights", ["has no weights"]),
        ("unreadable", ["cannot be read"]),
        ("other kind", ["of kind IA3", "LORA"]),
        ("activated", ["activated LoRA"]),
        ("no such layer", ["does not fit the base model"]),
        ("other size", ["does not fit the base model"]),
        ("weight lost", ["has no weight", "lora_B"]),
        ("head lost", ["trained score.weight", "modules_to_save"]),
        ("not a number", ["cannot be merged"]),
        ("no JSON", ["not the settings of a PEFT adapter"]),
    ],
)
def test_a_broken_adapter_is_refused(
    how: str, words: list[str], saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    base, adapter = saved("opt")
    broken(adapter, how)
    config = project(model={"path": str(base), "adapter": str(adapter)})
    refused(attridex("build", config, "--out", tmp_path / "i"), *words)
    assert not (tmp_path / "i").exists()


def test_misplaced_and_missing_adapters_are_refused(
    saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    base, adapter = saved("opt")
    for sections, words in [
        ({"gradients": {"parameters": "adapter"}}, ["there is no adapter", "model.adapter"]),
        ({"model": {"path": str(adapter)}}, ["a PEFT adapter", "base model as model.path"]),
        ({"model": {"path": str(base), "adapter": "./nowhere"}}, ["no such adapter directory"]),
        ({"model": {"path": str(base), "adapter": "some/adapter"}}, ["not to be had from the Hub"]),
    ]:
        refused(attridex("build", project(**sections), "--out", tmp_path / "i"), *words)


def test_without_peft_the_extra_is_named(
    saved: Made, project: Callable[..., Path], tmp_path: Path, attridex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, adapter = saved("opt")
    config = project(model={"path": str(base), "adapter": str(adapter)})
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else find(name, *rest))
    refused(attridex("build", config, "--out", tmp_path / "i"), "attridex[adapters]", code=1)


def test_an_adapter_of_an_embedding_has_no_linear_weights(saved: Made) -> None:
    base, adapter = saved("llama", target_modules=["embed_tokens", "q_proj"])
    made, model = signer(base, adapter), unmerged(base, adapter, CLASSIFY)
    for instance, signature in zip(rendered(made), made.sign(rendered(made)), strict=True):
        close(signature.probabilities, plain_logits(model, instance).softmax(0).detach())
    with pytest.raises(InputError, match="adapts no linear layer"):
        signer(base, adapter, gradients={"parameters": "adapter"})


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
