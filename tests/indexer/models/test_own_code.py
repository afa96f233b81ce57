"""A model with Python code of its own beside it: the code runs where it is asked for, in every command, and nowhere else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from attridex.indexer import load_config
from attridex.indexer.models.identity import model_identity
from tests.conftest import records, tiny_model, word_tokenizer

MODEL = """
from transformers import BertConfig, BertForSequenceClassification


class OwnConfig(BertConfig):
    model_type = "own"


class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig

    def forward(self, input_ids=None, attention_mask=None, token_type_ids=None, **kwargs):
        made = super().forward(input_ids, attention_mask, token_type_ids, **kwargs)
        return made
"""
TOKENIZER = """
from transformers import PreTrainedTokenizerFast


class OwnTokenizer(PreTrainedTokenizerFast):
    def __call__(self, text, *more, **options):
        return super().__call__(f"the {text}", *more, **options)
"""
AUTO = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnForSequenceClassification"}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A model whose class and tokenizer lie beside it."""
    place = tmp_path / "own_model"
    tiny_model("bert").save_pretrained(place)
    word_tokenizer().save_pretrained(place)
    (place / "own.py").write_text(MODEL)
    (place / "own_tokenizer.py").write_text(TOKENIZER)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": AUTO}))
    said = json.loads((place / "tokenizer_config.json").read_text())
    said |= {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": [None, "own_tokenizer.OwnTokenizer"]}}
    (place / "tokenizer_config.json").write_text(json.dumps(said))
    return place


def settings(project: Callable[..., Path], own: Path, trusted: bool) -> Path:
    model = {"path": str(own), **({"trust_remote_code": True} if trusted else {})}
    shown = {"segments": [], "text": "{premise}", "labels": ["LABEL_0", "LABEL_1", "LABEL_2"]}
    training = {"base": str(own), "epochs": 1, "batch_size": 4}
    return project("bert", 6, model=model, corpus=shown, training=training, neurons={"enabled": False})


def plain(own: Path, texts: list[str]) -> list[list[float]]:
    """Probabilities by a plain script."""
    model = hf.AutoModelForSequenceClassification.from_pretrained(own, trust_remote_code=True).eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(own, trust_remote_code=True)
    assert tokenizer("dog")["input_ids"] == word_tokenizer()("the dog")["input_ids"]
    with torch.no_grad():
        return [model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0].tolist() for text in texts]


def test_every_command_runs_the_model_s_own_code_where_it_is_asked_for(
    own: Path, project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    config = settings(project, own, trusted=True)
    (first, *_) = attridex("show", config, "--json").lines
    assert first["sequences"][0]["tokens"][1] == "the"
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    asked = attridex("predict", "--index", tmp_path / "i", "--queries", tmp_path / "queries.jsonl", "--json")
    assert asked.code == 0, asked.err
    texts = [row["premise"] for row in records(4)]
    for line, expected in zip(asked.lines, plain(own, texts), strict=True):
        assert list(line["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    ran = attridex("finetune", config, "--out", tmp_path / "tuned")
    assert ran.code == 0, ran.err
    plain(tmp_path / "tuned", texts)


@pytest.mark.parametrize("command", [["build", "--dry-run"], ["show"], ["finetune"]])
@pytest.mark.parametrize("part", ["model", "tokenizer"])
def test_code_runs_only_where_it_is_asked_for(
    command: list[str], part: str, own: Path, project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    if part == "tokenizer":  # the model itself is a known one
        tiny_model("bert").save_pretrained(own)
    ran = attridex(
        command[0],
        settings(project, own, trusted=False),
        *command[1:],
        *["--out", tmp_path / "o"][: 0 if command == ["show"] else 2],
    )
    assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
    assert "trust_remote_code" in ran.err


def test_an_index_knows_the_code_that_it_was_built_with(own: Path, project: Callable[..., Path]) -> None:
    config = load_config(settings(project, own, trusted=True))
    before = model_identity(config.model)
    (own / "own.py").write_text(MODEL.replace("return made", "made.logits = made.logits * 2\n        return made"))
    assert model_identity(config.model).model != before.model
