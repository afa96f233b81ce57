"""Adapters in directories."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers as hf

from tests.conftest import tiny_model, word_tokenizer
from tests.indexer.models.lora import CHOICE, CLASSIFY, KIND, LM, TARGETS, Made


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
