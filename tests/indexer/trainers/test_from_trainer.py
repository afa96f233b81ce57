"""The losses of an index from a training script are the trainer's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from attridex.client import Client
from attridex.indexer import from_trainer
from tests.conftest import tiny_model, word_tokenizer
from tests.indexer.trainers.scripts import (
    HEADS,
    SMALL,
    classifier,
    deciding,
    flattened,
    language_model,
    left,
    own_losses,
    stored_losses,
    tuned,
)

SCRIPTS: dict[str, Callable[[Path], Any]] = {
    "classifier": classifier,
    "language model": language_model,
    "sft": tuned,
    "flattened": flattened,
    "sft packed without padding": lambda out: tuned(out, padding_free=True, max_length=None),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_losses_of_an_index_are_those_of_the_trainer(script: Callable[[Path], Any], tmp_path: Path) -> None:
    trainer = script(tmp_path / "out")
    trainer.train()
    built = from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert built is not None
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


@pytest.mark.parametrize("task", HEADS)
def test_other_heads_have_the_losses_of_their_trainer(task: str, tmp_path: Path) -> None:
    trainer = deciding(task)(tmp_path / "out")
    trainer.train()
    built = from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert built is not None
    assert built.manifest.task == task
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


def test_an_index_of_packed_chats_has_an_instance_for_each(tmp_path: Path) -> None:
    trainer = tuned(tmp_path / "out", packing=True, packing_strategy="bfd", padding_free=True, max_length=16)
    trainer.train()
    from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    alone = tuned(tmp_path / "alone", base=trainer.model)
    assert sorted(stored_losses(tmp_path / "index")) == pytest.approx(sorted(own_losses(alone)), rel=1e-5)


def test_rows_without_a_loss_are_left_out_and_counted(tmp_path: Path) -> None:
    trainer = language_model(tmp_path / "out")
    trainer.data_collator = hf.DataCollatorForSeq2Seq(word_tokenizer())
    for number, row in enumerate(trainer.train_dataset):
        row["labels"] = [-100] * len(row["input_ids"]) if number in (1, 4) else row["input_ids"]
    with pytest.warns(UserWarning, match="2 rows have no token with a loss"):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    with Client.local(tmp_path / "index") as client:
        assert [each.id for each in client.list_instances()] == ["0", "2", "3", "5"]


def test_padding_on_the_left_with_its_positions_is_what_the_model_saw(tmp_path: Path) -> None:
    def collate(rows: list[Any]) -> Any:
        batch = left(rows)
        return {**batch, "position_ids": (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)}

    trainer = language_model(tmp_path / "out")
    trainer.model, trainer.data_collator = tiny_model("gpt2", "causal-lm"), collate
    from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)
