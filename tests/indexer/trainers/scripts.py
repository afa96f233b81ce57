"""Training scripts, as a user writes them, and the losses that their models and indices have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import peft
import torch
import transformers as hf
from trl import SFTConfig, SFTTrainer

from attridex.client import Client
from tests.conftest import CONFIGS, records, tiny_model, word_tokenizer

QUIET: dict[str, Any] = {
    "per_device_train_batch_size": 2, "max_steps": 4, "learning_rate": 1e-2, "report_to": [], "disable_tqdm": True,
    "log_level": "error", "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "dataloader_pin_memory": False,
}  # fmt: skip
"""Arguments of a training of four steps that says nothing."""
TEMPLATE = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {{ eos_token }} {% endfor %}"
CHATS = [
    {"prompt": [{"role": "Premise", "content": row["premise"]}], "completion": [{"role": "Answer", "content": row["answer"]}]}
    for row in records(6)
]
SMALL: dict[str, Any] = {"neurons": {"steps": 3}, "index": {"shard_rows": 4}}


def classifier(out: Path, **more: Any) -> hf.Trainer:
    """A plain script: sentence pairs, tokenised beforehand, padded by the collator."""
    tokenizer = word_tokenizer()
    data = datasets.Dataset.from_list(records(7)).map(lambda row: tokenizer(row["premise"], row["hypothesis"]))
    arguments = hf.TrainingArguments(output_dir=str(out), **QUIET)
    return hf.Trainer(tiny_model("bert"), arguments, train_dataset=data, processing_class=tokenizer, **more)


def language_model(out: Path, **more: Any) -> hf.Trainer:
    """A plain script: texts that the language-model collator makes labels of."""
    tokenizer = word_tokenizer()
    rows = [dict(tokenizer("<s> " + row["premise"] + " Answer : " + row["answer"])) for row in records(6)]
    arguments = hf.TrainingArguments(output_dir=str(out), **QUIET)
    collator = hf.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    model = tiny_model("llama", "causal-lm")
    return hf.Trainer(model, arguments, train_dataset=rows, data_collator=collator, processing_class=tokenizer, **more)


def tuned(out: Path, base: Any = None, lora: bool = False, **settings: Any) -> SFTTrainer:
    """TRL's script: chats, whose completions have a loss."""
    tokenizer = word_tokenizer()
    tokenizer.chat_template = TEMPLATE
    config = SFTConfig(output_dir=str(out), bf16=False, **{**QUIET, "max_length": 24, **settings})
    adapter = peft.LoraConfig(r=2, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM") if lora else None
    model = base or tiny_model("llama", "causal-lm")
    data = datasets.Dataset.from_list(CHATS)
    return SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer, peft_config=adapter)


def flattened(out: Path) -> hf.Trainer:
    """A script whose batches are one row: texts one behind the other, told apart by their positions."""
    trainer = language_model(out)
    trainer.data_collator = hf.DataCollatorWithFlattening(return_flash_attn_kwargs=True)
    return trainer


def deciding(task: str) -> Callable[[Path], hf.Trainer]:
    """A plain script of one of transformers' other heads."""

    def make(out: Path) -> hf.Trainer:
        tokenizer, rows = word_tokenizer(), []
        model, collator, label = HEADS[task]()
        for number, row in enumerate(records(6)):
            texts = (
                [f"{row['premise']} {choice}" for choice in row["choices"]]
                if task == "multiple-choice"
                else "<s> " + row["premise"]
            )
            encoded = dict(tokenizer(texts, padding=task == "multiple-choice"))
            rows.append({**encoded, collator[1]: label(number, encoded["input_ids"])})
        arguments = hf.TrainingArguments(output_dir=str(out), **QUIET)
        return hf.Trainer(model, arguments, train_dataset=rows, data_collator=collator[0](tokenizer), processing_class=tokenizer)

    return make


def head(made: Any, **settings: Any) -> Any:
    """A tiny BERT with a head."""
    torch.manual_seed(0)
    config = CONFIGS["bert"]()
    for name, value in settings.items():
        setattr(config, name, value)
    return made(config)


HEADS: dict[str, Callable[[], Any]] = {
    "regression": lambda: (
        head(hf.BertForSequenceClassification, num_labels=1), (hf.DataCollatorWithPadding, "label"), lambda n, _: n / 4 - 0.3
    ),
    "multi-label": lambda: (
        head(hf.BertForSequenceClassification, problem_type="multi_label_classification"),
        (hf.DataCollatorWithPadding, "label"), lambda n, _: [float(n % 2), float(n % 3 == 0), 1.0],
    ),
    "token-classification": lambda: (
        head(hf.BertForTokenClassification), (hf.DataCollatorForTokenClassification, "labels"),
        lambda n, ids: [-100, *((n + at) % 3 for at in range(1, len(ids)))],
    ),
    "multiple-choice": lambda: (
        head(hf.BertForMultipleChoice), (hf.DataCollatorForMultipleChoice, "label"), lambda n, _: n % 3
    ),
}  # fmt: skip
"""Model, collator and label of each other head, by task."""


def own_losses(trainer: Any) -> list[float]:
    """What the trainer's model says of each row by itself."""
    trainer.model.eval()
    loader = trainer.get_train_dataloader()
    with torch.no_grad():
        return [float(trainer.model(**loader.collate_fn([row])).loss) for row in loader.dataset]


def stored_losses(index: Path) -> list[float]:
    """Losses of all instances of an index, by row; of the parts of a packed row their mean over tokens."""
    with Client.local(index) as client:
        return [each.fields["loss"] for each in client.list_instances(fields=["loss"])]


def left(rows: list[Any]) -> Any:
    """Pads on the left, so that a model with learned positions sees other ones."""
    ids = torch.tensor([[0] * 9 + rows[0]["input_ids"]])
    mask = torch.tensor([[0] * 9 + [1] * len(rows[0]["input_ids"])])
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.where(mask.cumsum(1) > 1, ids, -100)}
