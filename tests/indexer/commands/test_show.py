"""The command `show`: what the model reads of a configuration's records, of an index's instances, and of queries."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from tests.conftest import SHOWN, records, word_tokenizer


def test_a_configuration_shows_tokens_label_and_read_position(project: Callable[..., Path], attridex: Any) -> None:
    config = project()
    first = attridex("show", config, "--limit", 1, "--json").lines
    row = records(1)[0]
    words = [
        "<s>",
        "Premise",
        ":",
        *row["premise"].split(),
        "/",
        "Hypothesis",
        ":",
        *row["hypothesis"].split(),
        "/",
        "Answer",
        ":",
    ]
    assert first == [
        {
            "id": "t0", "label": "LABEL_0", "truncated": False,
            "sequences": [
                {
                    "ids": word_tokenizer().convert_tokens_to_ids(words), "tokens": words, "special": [0], "types": [],
                    "read": [len(words) - 1], "loss": [],
                }
            ],
        }
    ]  # fmt: skip
    said = attridex("show", config).out.splitlines()
    assert said[:3] == [
        f"t0: {len(words)} tokens, label LABEL_0",
        f"  {' '.join(words)}",
        f"    read at token {len(words)} of {len(words)}: :",
    ]
    assert len(said) == 9


@pytest.mark.parametrize("task", SHOWN)
@pytest.mark.parametrize("form", ["segments", "text"])
def test_an_index_shows_what_its_configuration_showed(
    task: str, form: str, project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    more = {"target": " {answer}"} if task == "causal-lm" else {}
    shown = {"multiple-choice": "{premise} {choice}"}.get(task, "Premise : {premise}")
    corpus = {"segments": [], "text": shown, **more} if form == "text" else {}
    config = project("opt", 4, task, corpus=corpus)
    before = attridex("show", config, "--limit", 9, "--json").lines
    assert len(before) == 4
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    (tmp_path / "train.jsonl").unlink()
    assert attridex("show", tmp_path / "i", "--limit", 9, "--json").lines == before


def test_target_tokens_are_what_has_a_loss(project: Callable[..., Path], attridex: Any) -> None:
    ran = attridex("show", project("opt", 3, "causal-lm"), "--limit", 3)
    answers = [row["answer"] for row in records(3)]
    losses = [line.strip() for line in ran.out.splitlines() if "loss on" in line]
    assert [line.split(": ", 1)[1] for line in losses] == answers
    (shown,) = attridex("show", project("opt", 3, "causal-lm"), "--limit", 1, "--json").lines
    assert shown["label"] is None
    assert shown["sequences"][0]["read"] == [at - 1 for at in shown["sequences"][0]["loss"]]


def test_queries_are_shown_as_they_would_be_asked(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config = project()
    (tmp_path / "queries.jsonl").write_text('{"premise": "the dog", "hypothesis": "a cat", "label": "nobody"}\n')
    (shown,) = attridex("show", config, "--queries", tmp_path / "queries.jsonl", "--json").lines
    assert (shown["id"], shown["label"]) == ("", None)
    assert shown["sequences"][0]["tokens"][3:5] == ["the", "dog"]
    ran = attridex("show", config, "--queries", tmp_path / "none.jsonl")
    assert (ran.code, ran.err.count("\n")) == (2, 1)


def test_token_types_and_both_ends_of_a_pair_are_shown(attridex: Any, tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "cat"]
    hf.BertTokenizer(vocab={word: at for at, word in enumerate(words)}).save_pretrained(tmp_path / "m")
    hf.BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8).save_pretrained(
        tmp_path / "m"
    )
    (tmp_path / "train.jsonl").write_text('{"id": "a", "first": "the dog", "second": "the bird", "label": 1}\n')
    (tmp_path / "c.toml").write_text('[model]\npath = "m"\n[corpus]\nfiles = ["train.jsonl"]\npair = ["first", "second"]\n')
    (shown,) = attridex("show", tmp_path / "c.toml", "--json").lines
    (sequence,) = shown["sequences"]
    assert sequence["tokens"] == ["[CLS]", "the", "dog", "[SEP]", "the", "[UNK]", "[SEP]"]
    assert (sequence["special"], sequence["types"], sequence["read"]) == ([0, 3, 6], [0, 0, 0, 0, 1, 1, 1], [0])
