"""Adapters of tiny models: PEFT's own unmerged model, and what it says of an instance by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import torch
import transformers as hf
from torch import Tensor

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, SMALL, records

TARGETS = {
    "opt": ["q_proj", "v_proj", "fc1", "fc2"],
    "llama": ["q_proj", "k_proj", "o_proj", "gate_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj"],
    "bert": ["query", "value", "dense"],
}
VOCABULARY = SMALL["vocab_size"]
CLASSIFY, LM, CHOICE = "sequence-classification", "causal-lm", "multiple-choice"
KIND = {CLASSIFY: "SEQ_CLS", LM: "CAUSAL_LM", CHOICE: "SEQ_CLS"}
RANKED, DORA, BIAS = {"use_rslora": True}, {"use_dora": True}, {"lora_bias": True}
BIASES = ("ignore:`lora_bias=True` was passed:UserWarning", "ignore:Adapter 'default'.*invalid shape.*bias:UserWarning")
"""PEFT of layers without a bias, and of a bias that it takes for a matrix."""
Made = Callable[..., tuple[Path, Path]]


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
