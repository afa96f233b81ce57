"""Helpers of the input forms' tests: corpora's settings, and models trained by plain Trainer scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers.processors import TemplateProcessing

from attridex.indexer.config import CorpusConfig
from tests.conftest import word_tokenizer

QUIET: dict[str, Any] = {
    "per_device_train_batch_size": 2, "max_steps": 3, "learning_rate": 1e-2, "report_to": [], "disable_tqdm": True,
    "log_level": "error", "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "dataloader_pin_memory": False,
}  # fmt: skip
"""Arguments of a training of three steps that says nothing."""

CHAT = (
    "{% for message in messages %}{{ message['role'] + ' : ' }}{{ message['content'] }}{{ ' <s> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant : ' }}{% endif %}"
)
"""A chat template that does not mark what the assistant says."""
MARKED = (
    "{% for message in messages %}{{ message['role'] + ' : ' }}{% if message['role'] == 'assistant' %}{% generation %}"
    "{{ message['content'] + ' <s>' }}{% endgeneration %}{{ ' ' }}{% else %}{{ message['content'] + ' <s> ' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant : ' }}{% endif %}"
)
"""One that does."""


def chat_tokenizer(template: str | None = None) -> Any:
    """A tokenizer of whole words that knows the roles of a chat."""
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["user", "assistant", "system"])
    tokenizer.chat_template = template
    return tokenizer


def with_template(tokenizer: Any, template: str) -> Any:
    """The tokenizer with special tokens around a text, as "<s> $A"."""
    named = {token: tokenizer.convert_tokens_to_ids(token) for token in template.split() if token.startswith("<")}
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=list(named.items()))
    return tokenizer


def turns(*said: str) -> list[dict[str, str]]:
    """A chat of messages "ROLE WORDS"."""
    return [dict(zip(("role", "content"), each.split(" ", 1), strict=True)) for each in said]


def corpus(**settings: Any) -> CorpusConfig:
    """A corpus's settings."""
    return CorpusConfig.model_validate({"files": ["x.jsonl"], **settings})


@dataclass(frozen=True)
class Trained:
    """A training that is done, the rows of its dataset, and where its model lies: `place / "model"`."""

    trainer: Any
    rows: list[dict[str, Any]]
    place: Path
    task: str


def train(model: Any, rows: Sequence[dict[str, Any]], out: Path, tokenizer: Any, **more: Any) -> Any:
    """A plain Trainer script: three steps over rows, then the model and its tokenizer saved."""
    arguments = hf.TrainingArguments(output_dir=str(out.with_name("work")), **QUIET)
    trainer = hf.Trainer(model=model, args=arguments, train_dataset=list(rows), processing_class=tokenizer, **more)
    trainer.train()
    trainer.save_model(str(out))
    return trainer


def trainer_losses(trainer: Any, rows: Sequence[dict[str, Any]]) -> list[float]:
    """The trainer's own loss of each row alone, in evaluation mode."""
    trainer.model.eval()
    found = []
    for row in rows:
        inputs = trainer._prepare_inputs(trainer.data_collator([dict(row)]))
        with torch.no_grad():
            found.append(float(trainer.compute_loss(trainer.model, inputs)))
    return found
