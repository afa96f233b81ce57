"""The check of fit of tasks whose labels are numbers, several at once, or a token's: by hand from transformers' own logits."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from numpy.typing import NDArray

from attridex.indexer.fit import Fit
from tests.conftest import CONFIGS, records, tiny_model, word_tokenizer, write_jsonl, write_toml

NAMES = ["O", "B-X", "I-X"]
ROWS = records(12)
TEXTS = [f"{row['premise']} / {row['hypothesis']}" for row in ROWS]
WORDS = [text.split() for text in TEXTS]
NUMBERS = [[at / 3 - 1, at % 4] for at in range(12)]
HOLDING = [[NAMES[k] for k in range(3) if (at * 5 + k) % 4 == 0] for at in range(12)]
TAGS = [
    [None if (at + place) % 5 == 4 else NAMES[(place * place + at) % 3] for place in range(len(WORDS[at]))] for at in range(12)
]
LABELS: dict[str, list[Any]] = {"regression": NUMBERS, "multi-label": HOLDING, "token-classification": TAGS}


def model_of(task: str) -> Any:
    """A random model of a task."""
    if task == "regression":
        return tiny_model("bert", "multiple-choice", 2)
    torch.manual_seed(0)
    config = CONFIGS["bert"]()
    config.id2label, config.label2id = dict(enumerate(NAMES)), {name: at for at, name in enumerate(NAMES)}
    config.initializer_range = 0.3
    made = hf.AutoModelForTokenClassification if task == "token-classification" else hf.AutoModelForSequenceClassification
    return made.from_config(config).eval()


@pytest.fixture(params=LABELS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(task: str, tmp_path: Path) -> Path:
    """A corpus of a task with its model."""
    model_of(task).save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path


def write(place: Path, task: str, labels: list[Any]) -> Path:
    """Corpus and configuration."""
    words = task == "token-classification"
    texts = WORDS if words else TEXTS
    rows = [{"id": f"t{at}", "words": text, "label": label} for at, (text, label) in enumerate(zip(texts, labels, strict=True))]
    write_jsonl(place / "train.jsonl", rows)
    sections = {
        "model": {"path": str(place / "model"), "task": task}, "neurons": {"enabled": False},
        "corpus": {"files": ["train.jsonl"], "text": "{words}"},
    }  # fmt: skip
    return write_toml(place / "c.toml", sections)


def logits(place: Path, task: str) -> list[NDArray[Any]]:
    """The model's own of each text."""
    model, tokenizer = model_of(task), hf.AutoTokenizer.from_pretrained(place / "model")
    with torch.no_grad():
        return [model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0].numpy() for text in TEXTS]


def by_hand(task: str, labels: list[Any], z: list[NDArray[Any]]) -> tuple[float, float, int]:
    """Model, baseline and what was counted."""
    if task == "regression":
        goals = np.array(labels, float)
        return float(((np.stack(z) - goals) ** 2).mean()), float(((goals - goals.mean(0)) ** 2).mean()), 12
    if task == "multi-label":
        goals = np.array([[name in each for name in NAMES] for each in labels])
        share = goals.mean(0)
        return float(((np.stack(z) > 0) == goals).mean()), float(np.maximum(share, 1 - share).mean()), goals.size
    pairs = [
        (tag, NAMES[own]) for tags, each in zip(labels, z, strict=True) for tag, own in zip(tags, each.argmax(-1), strict=True)
    ]
    told = [(tag, own) for tag, own in pairs if tag is not None]
    counts = Counter(tag for tag, _ in told)
    return sum(tag == own for tag, own in told) / len(told), max(counts.values()) / len(told), len(told)


def answered(task: str, z: list[NDArray[Any]]) -> list[Any]:
    """The labels that the model gives."""
    if task == "regression":
        return [row.tolist() for row in z]
    if task == "multi-label":
        return [[name for name, value in zip(NAMES, row, strict=True) if value > 0] for row in z]
    return [[NAMES[at] for at in row.argmax(-1)] for row in z]


def test_it_is_that_of_the_model_s_own_answers(place: Path, task: str, attridex: Callable[..., Any]) -> None:
    z = logits(place, task)
    for name, labels in (("others", LABELS[task]), ("own", answered(task, z))):
        model, baseline, counted = by_hand(task, labels, z)
        ran = attridex("build", write(place, task, labels), "--out", place / name)
        assert ran.code == 0, ran.err
        fit = attridex("info", place / name, "--json").lines[0]["manifest"]["fit"]
        assert fit["measure"] == ("error" if task == "regression" else "right")
        assert (fit["model"], fit["baseline"]) == pytest.approx((model, baseline), rel=1e-4, abs=1e-9)
        assert fit["counted"] == counted
        assert ("warning: the model does no better than always" in ran.err) != Fit(**fit).better
        assert name == "own" or not Fit(**fit).better
        assert "fit: the model" in ran.err
        assert "would" in attridex("info", place / name).out
        dry = attridex("build", place / "c.toml", "--out", place / "dry", "--dry-run", "--json").lines[0]["fit"]
        figures = ("model", "baseline", "counted")
        assert [dry[name] for name in figures] == pytest.approx([fit[name] for name in figures], rel=1e-5, abs=1e-9)
