"""Chats of a TRL SFTTrainer script: the losses of an index made from its configuration are the trainer's own."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from attridex.client import Client
from attridex.indexer import build, load_config
from tests.conftest import tiny_model
from tests.indexer.forms.conftest import MARKED, QUIET, chat_tokenizer, trainer_losses, turns

CHATS = [
    turns("system some", "user the dog", "assistant a cat ran", "user a park", "assistant slept today"),
    turns("user the lawyer saw", "assistant not today"),
    turns("user dog", "assistant cat", "user helped", "assistant paid some doctor"),
]


@pytest.mark.parametrize(("only", "loss_on"), [(True, "assistant"), (False, "all")])
def test_losses_of_the_index_are_the_trainer_s_own(tmp_path: Path, only: bool, loss_on: str) -> None:
    rows = [{"id": f"r{number}", "messages": chat} for number, chat in enumerate(CHATS)]
    settings: dict[str, Any] = {"max_length": 64, "bf16": False, **QUIET}  # float32, as the index reads the model
    arguments = SFTConfig(output_dir=str(tmp_path / "work"), assistant_only_loss=only, **settings)
    trainer: Any = SFTTrainer(
        model=tiny_model("llama", "causal-lm"),
        args=arguments,
        train_dataset=Dataset.from_list([{"messages": chat} for chat in CHATS]),
        processing_class=chat_tokenizer(MARKED),
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "model"))
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.toml").write_text(
        '[model]\npath = "model"\ntask = "causal-lm"\n[corpus]\nfiles = ["chats.jsonl"]\nmessages = "messages"\n'
        f'loss_on = "{loss_on}"\n[neurons]\nenabled = false\n'
    )
    build(load_config(tmp_path / "config.toml"), tmp_path / "index", show_progress=False)
    with Client.local(tmp_path / "index") as client:
        found = [each.fields["loss"] for each in client.list_instances(fields=["loss"])]
    assert found == pytest.approx(trainer_losses(trainer, list(trainer.train_dataset)), rel=1e-5)
