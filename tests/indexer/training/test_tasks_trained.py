"""Fine-tuning of every task: it learns, and an index of the result has the losses that the evaluation said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers as hf
from tokenizers.processors import TemplateProcessing

from attridex.client import Client
from attridex.indexer import build, load_config
from attridex.indexer.errors import InputError
from attridex.indexer.training import finetuning
from attridex.indexer.training.evaluation import Evaluation
from tests.conftest import CONFIGS, records, tiny_model, word_tokenizer, write_jsonl, write_toml

TAGS = ["O", "B", "I"]
BART = {
    "d_model": 24, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 40, "vocab_size": 40, "max_position_embeddings": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1, "forced_eos_token_id": None,
}  # fmt: skip
BASES: dict[str, Callable[[], Any]] = {
    "seq2seq-lm": lambda: hf.BartForConditionalGeneration(hf.BartConfig(**BART)),
    "regression": lambda: tiny_model("bert", "multiple-choice", 1),
    "token-classification": lambda: hf.BertForTokenClassification(CONFIGS["bert"]()),
}
SHOWN: dict[str, dict[str, Any]] = {
    "regression": {"text": "{premise}"},
    "multi-label": {"text": "{premise}", "labels": ["a", "b", "c"]},
    "token-classification": {"text": "{words}", "labels": TAGS},
    "seq2seq-lm": {"text": "{premise}", "target": "{answer}"},
}
LABELS: dict[str, Callable[[int, dict[str, Any]], Any]] = {
    "regression": lambda number, _: number / 4 - 0.3,
    "multi-label": lambda number, _: [["a", "b", "c"][number % 3], *["c"] * (number % 3 == 1)],
    "token-classification": lambda _, row: [TAGS[len(word) % 3] for word in row["words"]],
    "seq2seq-lm": lambda _, row: row["label"],
}


@pytest.mark.parametrize("task", LABELS)
def test_a_task_is_learned_and_its_index_has_the_losses_of_the_evaluation(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BASES.get(task, lambda: tiny_model("bert"))().save_pretrained(tmp_path / "base")
    tokenizer = word_tokenizer()
    if task == "seq2seq-lm":
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A <s>", special_tokens=[("<s>", 1)])
    tokenizer.save_pretrained(tmp_path / "base")
    rows = [{**row, "words": row["premise"].split()} for row in records(8)]
    rows = [{**row, "label": LABELS[task](number, row)} for number, row in enumerate(rows)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    sections: dict[str, dict[str, Any]] = {
        "model": {"path": "tuned", "task": task},
        "corpus": {"files": ["train.jsonl"], **SHOWN[task]},
        "neurons": {"enabled": False},
        "training": {"base": "base", "epochs": 30, "learning_rate": 1e-2, "test_files": ["train.jsonl"]},
    }
    write_toml(tmp_path / "config.toml", sections)
    said: list[Evaluation] = []
    evaluate = finetuning.evaluate
    monkeypatch.setattr(finetuning, "evaluate", lambda *given: said.append(evaluate(*given)) or said[-1])
    figures = finetuning.finetune(load_config(tmp_path / "config.toml"), tmp_path / "tuned", show_progress=False)
    build(load_config(tmp_path / "config.toml"), tmp_path / "index", show_progress=False)
    with Client.local(tmp_path / "index") as client:
        stored = [each.fields["loss"] for each in client.list_instances(fields=["loss"])]
    assert stored == pytest.approx(list(said[0].losses), rel=1e-4, abs=1e-6)
    assert np.mean(stored) < figures["train_loss"], "it learned"
    if task == "regression":
        assert figures["mean_squared_error"]["train.jsonl"] == pytest.approx(np.mean(stored), rel=1e-4)
    else:
        assert figures["accuracy"]["train.jsonl"] == pytest.approx(np.mean(said[0].right))


def test_a_base_with_a_head_of_other_outputs_is_refused_in_a_line(tmp_path: Path) -> None:
    tiny_model("bert").save_pretrained(tmp_path / "base")
    word_tokenizer().save_pretrained(tmp_path / "base")
    write_jsonl(tmp_path / "train.jsonl", [{**row, "label": 0.5} for row in records(2)])
    (tmp_path / "config.toml").write_text(
        '[model]\npath = "tuned"\ntask = "regression"\n[corpus]\nfiles = ["train.jsonl"]\ntext = "{premise}"\n'
        '[training]\nbase = "base"\n'
    )
    with pytest.raises(InputError, match=r"base: the model's classifier\.bias has another size than 1 outputs need"):
        finetuning.finetune(load_config(tmp_path / "config.toml"), tmp_path / "tuned", show_progress=False)
