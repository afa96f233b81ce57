"""What is no whole training, or was not what its model saw, is refused in a line."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers as hf

from attridex.indexer import from_trainer
from attridex.indexer.errors import InputError
from tests.conftest import tiny_model
from tests.indexer.trainers.scripts import SMALL, language_model, left


def masking(rows: list[Any]) -> Any:
    """Draws what it masks."""
    ids = torch.tensor([rows[0]["input_ids"]])
    return {"input_ids": torch.where(torch.rand(ids.shape) < 0.5, 2, ids), "labels": ids}


def doubling(rows: list[Any]) -> Any:
    """Gives each row twice."""
    ids = torch.tensor([rows[0]["input_ids"]] * 2)
    return {"input_ids": ids, "labels": ids}


def pictures(rows: list[Any]) -> Any:
    """Gives what only a model of pictures reads."""
    return {"input_ids": torch.tensor([rows[0]["input_ids"]]), "pixel_values": torch.zeros(1, 3)}


def pairing(rows: list[Any]) -> Any:
    """Needs two rows."""
    return {"input_ids": torch.tensor([rows[1]["input_ids"]])}


@pytest.mark.parametrize(
    ("collator", "family", "words"),
    [
        (masking, "llama", "row 0: the data collator .* another batch each time"),
        (doubling, "llama", r"makes 'input_ids' of shape \[2, 5\] of one row"),
        (left, "gpt2", "instance '0': its row holds padding before its text, and what GPT2LMHeadModel says of it"),
        (pictures, "llama", "gives 'pixel_values', which attridex does not read; known: input_ids"),
        (pairing, "llama", "makes no batch of one row .IndexError"),
    ],
    ids=["random", "several", "left", "unknown", "pairs"],
)
def test_collators_whose_rows_are_not_what_the_model_saw_are_refused(
    collator: Any, family: str, words: str, tmp_path: Path
) -> None:
    trainer = language_model(tmp_path / "out")
    trainer.model, trainer.data_collator = tiny_model(family, "causal-lm"), collator
    with pytest.raises(InputError, match=words):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert not (tmp_path / "index" / "plan.json").exists()


class Rows(torch.utils.data.IterableDataset):
    """A stream."""

    def __iter__(self) -> Any:
        return iter([])


def test_what_is_no_whole_training_is_refused_in_a_line(script: hf.Trainer, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="full: not empty and no index of a training"):
        from_trainer(script, tmp_path / "full", show_progress=False)
    with pytest.raises(InputError, match=r"from_trainer: unknown key 'neurons\.enable': did you mean 'enabled'"):
        from_trainer(script, tmp_path / "a", settings={"neurons": {"enable": False}}, show_progress=False)
    for data, words in ((None, "no train_dataset"), (Rows(), "is a stream"), ([], "has no rows")):
        other = language_model(tmp_path / "out")
        other.train_dataset = data
        with pytest.raises(InputError, match=words):
            from_trainer(other, tmp_path / "a", show_progress=False)
    other = language_model(tmp_path / "out")
    other.processing_class = other.data_collator = None
    with pytest.raises(InputError, match="no tokenizer"):
        from_trainer(other, tmp_path / "a", show_progress=False)
    assert not (tmp_path / "a").exists()
    other = language_model(tmp_path / "out")
    other.model = hf.T5EncoderModel(hf.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=40))
    with pytest.raises(InputError, match=r"a T5EncoderModel is of no task that is known here; give task = "):
        from_trainer(other, tmp_path / "a", show_progress=False)
    sharded = language_model(tmp_path / "out")
    next(sharded.model.parameters()).ds_id = 0
    with pytest.raises(InputError, match="the model is sharded"):
        from_trainer(sharded, tmp_path / "a", show_progress=False)
    from_trainer(language_model(tmp_path / "out"), tmp_path / "b", settings=SMALL, show_progress=False)
    with pytest.raises(InputError, match="holds the index of another training"):
        from_trainer(script, tmp_path / "b", settings=SMALL, show_progress=False)


@pytest.mark.parametrize(
    ("how", "words"),
    [("ia3", "kind IA3; attridex knows LORA"), ("homeless", "loaded from nowhere"), ("two", "adapters are default, other")],
)
@pytest.mark.filterwarnings("ignore:.*adapter.*:UserWarning")
def test_adapters_that_cannot_be_indexed_are_refused_before_any_work(how: str, words: str, tmp_path: Path) -> None:
    settings = peft.IA3Config(task_type="CAUSAL_LM") if how == "ia3" else peft.LoraConfig(r=2, task_type="CAUSAL_LM")
    trainer, base = language_model(tmp_path / "out"), tiny_model("llama", "causal-lm")
    trainer.model = peft.get_peft_model(base, settings)
    if how == "two":
        trainer.model.add_adapter("other", settings)
    with pytest.raises(InputError, match=words):
        from_trainer(trainer, tmp_path / "index", show_progress=False)
    assert not (tmp_path / "index").exists()


def test_only_the_first_process_builds(script: hf.Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "is_world_process_zero", lambda: False)
    assert from_trainer(script, tmp_path / "index") is None
    assert not (tmp_path / "index").exists()
