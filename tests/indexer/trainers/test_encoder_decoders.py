"""Indices from scripts of Seq2SeqTrainer and DataCollatorForSeq2Seq: losses are the trainer's own, answers follow from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from tokenizers.processors import TemplateProcessing

from attridex.client import Client, Query
from attridex.indexer import KeepCheckpoints, from_trainer
from attridex.indexer.errors import InputError
from tests.conftest import records, word_tokenizer
from tests.indexer.forms.conftest import QUIET, trainer_losses
from tests.indexer.models.model_types import BART, T5

SMALL: dict[str, Any] = {"neurons": {"steps": 3}, "index": {"shard_rows": 4}}
MODELS: dict[str, Callable[[], Any]] = {
    "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5, dropout_rate=0.0)),
    "bart": lambda: hf.BartForConditionalGeneration(hf.BartConfig(**BART)),
}


def tokenizer_of(side: str = "right") -> Any:
    """A tokenizer that puts an end behind each text, and pads on a side."""
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A <s>", special_tokens=[("<s>", 1)])
    tokenizer.padding_side = side
    return tokenizer


def script(out: Path, kind: str = "t5", trainer: Any = hf.Seq2SeqTrainer, side: str = "right", **collating: Any) -> Any:
    """A plain script: questions and answers; the collator is given the model, so that it makes the decoder's input."""
    torch.manual_seed(0)
    model, tokenizer = MODELS[kind](), tokenizer_of(side)
    rows = [dict(tokenizer(row["premise"], text_target=row["answer"])) for row in records(6)]
    collator = hf.DataCollatorForSeq2Seq(tokenizer, **{"model": model, **collating})
    settings = hf.Seq2SeqTrainingArguments(output_dir=str(out), **QUIET)
    return trainer(model, settings, train_dataset=rows, data_collator=collator, processing_class=tokenizer)


def stored(index: Path) -> list[float]:
    """Losses of all instances."""
    with Client.local(index) as client:
        return [each.fields["loss"] for each in client.list_instances(fields=["loss"])]


SCRIPTS: dict[str, dict[str, Any]] = {
    "decoder inputs of the collator": {},
    "without the model": {"model": None, "trainer": hf.Trainer},
    "padded behind": {"pad_to_multiple_of": 16},
    "padded before": {"pad_to_multiple_of": 16, "side": "left"},
}


@pytest.mark.parametrize(("kind", "how"), [("t5", how) for how in SCRIPTS] + [("bart", how) for how in [*SCRIPTS][:3]])
def test_losses_of_an_index_are_those_of_the_trainer(kind: str, how: str, tmp_path: Path) -> None:
    trainer = script(tmp_path / "out", kind, **SCRIPTS[how])
    trainer.train()
    built = from_trainer(trainer, tmp_path / "index", settings={"neurons": {"enabled": False}}, show_progress=False)
    assert built is not None
    assert built.manifest.task == "seq2seq-lm"
    assert stored(tmp_path / "index") == pytest.approx(trainer_losses(trainer, trainer.train_dataset), rel=1e-5)


def test_padding_before_a_source_is_refused_where_positions_are_counted_from_it(tmp_path: Path) -> None:
    trainer = script(tmp_path / "out", "bart", side="left", pad_to_multiple_of=16)
    with pytest.raises(InputError, match=r"instance '0': its row holds padding before its text"):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)


def test_labels_that_are_longer_than_every_source_are_read_whole(tmp_path: Path) -> None:
    trainer = script(tmp_path / "out")
    trainer.processing_class.model_max_length = int(1e30)
    trainer.train_dataset = [{"input_ids": [5, 1], "labels": [*range(5, 25), 1]}]
    from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert stored(tmp_path / "index") == pytest.approx(trainer_losses(trainer, trainer.train_dataset), rel=1e-5)


def test_an_index_with_ekfac_and_checkpoints_answers_by_row_and_by_tokens(tmp_path: Path, attridex: Any) -> None:
    trainer, index = script(tmp_path / "out"), tmp_path / "index"
    trainer.add_callback(KeepCheckpoints(1))
    trainer.train()
    built = from_trainer(trainer, index, curvature=["kfac", "ekfac"], settings=SMALL, show_progress=False)
    assert built is not None
    assert built.manifest.config.neurons.rule == "gradient"
    assert (ran := attridex("verify", index)).code == 0, ran.err
    row = trainer.data_collator([dict(trainer.train_dataset[3])])
    query = {name: values[0].tolist() for name, values in row.items()}
    with Client.local(index) as client:
        answers = {}
        for method, settings in {"grad-cos": {}, "tracin": {}, "influence": {"curvature": "ekfac"}}.items():
            asked = client.attribute_instances([query, Query.instance("3")], method=method, k=6, **settings).results
            answers[method] = [{hit.id: hit.score for hit in each.hits} for each in asked]
            np.testing.assert_allclose(*[[each[str(n)] for n in range(6)] for each in answers[method]], rtol=1e-4)
        assert max(answers["grad-cos"][0], key=answers["grad-cos"][0].__getitem__) == "3"
        assert client.attribute_neurons([Query.instance("3")]).results[0].neurons
    shown = attridex("show", index, "--limit", 1).out.splitlines()
    words = trainer.processing_class.convert_ids_to_tokens(trainer.train_dataset[0]["input_ids"])
    target = trainer.processing_class.convert_ids_to_tokens(trainer.train_dataset[0]["labels"])
    assert [line.strip() for line in shown[1:5]] == [
        " ".join(words), "read by the encoder", " ".join(["<pad>", *target]),
        f"loss on {len(target)} of {len(target) + 1} tokens: {' '.join(target)}",
    ]  # fmt: skip
