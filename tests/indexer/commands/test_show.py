"""The command `show`: what the model reads of a configuration's records, of an index's instances, and of queries."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import transformers as hf

from attridex.indexer.curvature import matrices
from attridex.indexer.files import TRAINING_RECORD
from attridex.indexer.lifecycle.deleting import delete_rows
from tests.conftest import SHOWN, records, tiny_model, word_tokenizer, write_jsonl
from tests.indexer.forms.conftest import CHAT, chat_tokenizer, turns


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
    (shown,) = attridex("show", tmp_path / "c.toml", "--no-model", "--json").lines
    (sequence,) = shown["sequences"]
    assert sequence["tokens"] == ["[CLS]", "the", "dog", "[SEP]", "the", "[UNK]", "[SEP]"]
    assert (sequence["special"], sequence["types"], sequence["read"]) == ([0, 3, 6], [0, 0, 0, 0, 1, 1, 1], [0])


LONG = {
    "documents": ({"documents": "text", "stride": 2}, [{"id": "d", "text": " ".join(records(9)[8]["premise"].split() * 2)}]),
    "encoded": ({"encoded": True}, [{"id": "e", "input_ids": [1, 5, 6, 7], "labels": [-100, -100, 6, 7]}]),
    "messages": ({"messages": "messages"}, [{"id": "m", "messages": turns("user the dog", "assistant a cat")}]),
}


@pytest.mark.parametrize("form", LONG)
def test_chats_documents_and_encoded_rows_are_shown_alike_before_and_behind_the_build(
    form: str, attridex: Any, tmp_path: Path
) -> None:
    settings, rows = LONG[form]
    tokenizer, model = chat_tokenizer(CHAT), tiny_model("llama", "causal-lm")
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    write_jsonl(tmp_path / "train.jsonl", rows)
    own = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    (tmp_path / "c.toml").write_text(
        f'[model]\npath = "m"\ntask = "causal-lm"\nmax_length = 12\n[corpus]\nfiles = ["train.jsonl"]\n{own}'
        "[neurons]\nenabled = false\n"
    )
    before = attridex("show", tmp_path / "c.toml", "--limit", 9, "--json").lines
    assert attridex("build", tmp_path / "c.toml", "--out", tmp_path / "i").code == 0
    assert attridex("show", tmp_path / "i", "--limit", 9, "--json").lines == before
    (sequence,) = before[0]["sequences"]
    learned = [sequence["tokens"][at] for at in sequence["loss"]]
    assert sequence["read"] == [at - 1 for at in sequence["loss"]]
    if form == "documents":
        assert [each["id"] for each in before] == ["d#0", "d#1"]
        assert before[1]["sequences"][0]["loss"][0] == 2  # two tokens are shared with the window before
    else:
        ids = tokenizer.convert_ids_to_tokens([6, 7]) if form == "encoded" else ["a", "cat"]
        assert learned[: len(ids)] == ids


def test_class_names_are_shown_as_the_build_reads_them(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config, order = project(corpus={"files": ["train.parquet"]}), ["maybe", "yes", "no"]
    data = datasets.Dataset.from_list(records(4)).cast_column("label", datasets.ClassLabel(names=order))
    data.to_parquet(str(tmp_path / "train.parquet"))
    shown = attridex("show", config, "--limit", 4, "--json").lines
    assert [each["label"] for each in shown] == [order[row["label"]] for row in records(4)]
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    assert attridex("show", tmp_path / "i", "--limit", 4, "--json").lines == shown


def test_labels_of_tokens_are_shown_where_the_tokens_stand(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    """The wanted outputs' numbers may be the ids of the next tokens: what is learned is the task's to say."""
    rows = [{"id": "w", "input_ids": [0, 1, 2, 1], "labels": [1, 2, 1, -100]}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    tiny_model("bert", "token-classification").save_pretrained(tmp_path / "tagger")
    word_tokenizer().save_pretrained(tmp_path / "tagger")
    corpus = {"files": ["rows.jsonl"], "segments": [], "encoded": True, "metadata": []}
    config = project("bert", 1, model={"path": "tagger", "task": "token-classification"}, corpus=corpus)
    (shown,) = attridex("show", config, "--json").lines
    assert json.loads(shown["label"]) == ["LABEL_1", "LABEL_2", "LABEL_1"]
    assert shown["sequences"][0]["read"] == shown["sequences"][0]["loss"] == [0, 1, 2]
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    assert attridex("show", tmp_path / "i", "--json").lines == [shown]


def test_deleted_instances_are_not_shown(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    assert attridex("build", project(), "--out", tmp_path / "i").code == 0
    delete_rows(tmp_path / "i", [0, 2, 6])
    shown = attridex("show", tmp_path / "i", "--limit", 99, "--json").lines
    assert [each["id"] for each in shown] == [f"t{number}" for number in range(12) if number not in (0, 2, 6)]


PADDED = {"id": "p", "input_ids": [0, 1, 5], "attention_mask": [0, 1, 1], "label": 1}
REFUSED: dict[str, tuple[str, dict[str, dict[str, Any]], str]] = {
    "a head that is not trained": ("opt", {"model": {"path": "headless"}}, "the model has no trained"),
    "no such layer": ("opt", {"gradients": {"parameters": "nowhere"}}, "fits no linear layer"),
    "neurons of a gated FFN": ("llama", {"neurons": {"site": "pre"}}, "is not defined for a gated FFN"),
    "too large a curvature": ("opt", {"gradients": {"curvature": ["fisher"]}}, "at most 10 can be decomposed"),
    "an unlabelled record": ("opt", {"corpus": {"label": "none"}}, "missing column 'none'"),
    "padding that the model sees": (
        "gpt2", {"corpus": {"files": ["rows.jsonl"], "segments": [], "encoded": True, "metadata": []}},
        "its row holds padding before",
    ),
    "a checkpoint without a rate": ("opt", {"model": {"checkpoints": ["a", "b"]}}, "does not say its learning rate"),
}  # fmt: skip
"""Family, sections, and a part of what is said."""


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_build_refuses_of_the_model_and_the_first_records_is_refused_alike(
    kind: str, project: Callable[..., Path], attridex: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, sections, words = REFUSED[kind]
    monkeypatch.setattr(matrices, "LIMIT", 10)
    tiny_model("opt").base_model.save_pretrained(tmp_path / "headless")
    word_tokenizer().save_pretrained(tmp_path / "headless")
    for name, said in (("a", '{"learning_rate": 0.1}'), ("b", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / TRAINING_RECORD).write_text(said)
    write_jsonl(tmp_path / "rows.jsonl", [PADDED])
    config = project(family, 1, **sections)
    built, shown = attridex("build", config, "--out", tmp_path / "i"), attridex("show", config)
    assert (shown.code, shown.err, shown.out) == (built.code, built.err, "") == (2, built.err, "")
    assert built.err.count("\n") == 1
    assert words in built.err
    quick = attridex("show", config, "--no-model")
    assert quick.code == (2 if kind == "an unlabelled record" else 0), quick.err
