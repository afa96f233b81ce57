"""Chats and documents of a plain Trainer script: the losses of an index made from its configuration are the trainer's own."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from attridex.client import Client, Query
from attridex.indexer import build, load_config
from tests.conftest import tiny_model
from tests.indexer.forms.conftest import MARKED, Trained, chat_tokenizer, train, trainer_losses, turns

CHATS = [
    turns("system some", "user the dog", "assistant a cat ran", "user a park", "assistant slept today"),
    turns("user the lawyer saw", "assistant not today"),
    turns("user dog", "assistant cat", "user helped", "assistant paid some doctor"),
]
TEXTS = [
    "the dog ran today . some cat slept / a doctor saw the park",
    "a lawyer paid",
    "not the dog : a cat helped some lawyer today",
]


def chat_rows(tokenizer: Any) -> list[dict[str, Any]]:
    """What a user's own script makes of chats."""
    rows = []
    for chat in CHATS:
        made = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        pairs = zip(made["input_ids"], made["assistant_masks"], strict=True)
        rows.append({"input_ids": made["input_ids"], "labels": [token if mark else -100 for token, mark in pairs]})
    return rows


def document_rows(tokenizer: Any) -> list[dict[str, Any]]:
    """What a user's own script makes of documents: windows whose shared tokens are context."""
    rows = []
    for text in TEXTS:
        made = tokenizer(text, truncation=True, max_length=6, stride=2, return_overflowing_tokens=True)
        for number, ids in enumerate(made["input_ids"]):
            rows.append({"input_ids": ids, "labels": [-100] * (2 if number else 0) + ids[2 if number else 0 :]})
    return rows


MADE: dict[str, tuple[Any, list[dict[str, Any]], str, int]] = {
    "messages": (chat_rows, [{"id": f"r{n}", "chat": chat} for n, chat in enumerate(CHATS)], 'messages = "chat"', 64),
    "documents": (
        document_rows, [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS)], 'documents = "text"\nstride = 2', 6,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=MADE)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, str]:
    rows_of, records, form, length = MADE[request.param]
    place = tmp_path_factory.mktemp(request.param)
    tokenizer = chat_tokenizer(MARKED)
    rows = rows_of(tokenizer)
    collator = hf.DataCollatorForSeq2Seq(tokenizer)
    trainer = train(tiny_model("gpt2", "causal-lm"), rows, place / "model", tokenizer, data_collator=collator)
    (place / "data.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    config = f'[model]\npath = "model"\ntask = "causal-lm"\nmax_length = {length}\n[corpus]\nfiles = ["data.jsonl"]\n{form}\n'
    (place / "config.toml").write_text(config)
    return Trained(trainer, rows, place, "causal-lm"), request.param


def test_losses_of_the_index_are_the_trainer_s_own(trained: tuple[Trained, str]) -> None:
    training, form = trained
    index = training.place / "index"
    build(load_config(training.place / "config.toml"), index, show_progress=False)
    with Client.local(index) as client:
        found = list(client.list_instances(fields=["loss"]))
        again = client.predict([Query.instance(each.id) for each in found]).results
        asked = client.predict(records_of(training.place)[:1] if form == "messages" else [{"id": "q", "text": TEXTS[1]}]).results
        with_neurons = client.attribute_neurons([Query.instance(found[0].id)], r=3).results[0]
    losses = [each.fields["loss"] for each in found]
    assert losses == pytest.approx(trainer_losses(training.trainer, training.rows), rel=1e-5)
    assert [each.baseline.loss for each in again] == pytest.approx(losses, rel=1e-5)
    assert any(asked[0].baseline.loss == pytest.approx(loss, rel=1e-5) for loss in losses)
    assert with_neurons.neurons


def records_of(place: Path) -> list[dict[str, Any]]:
    """The corpus's records."""
    return [json.loads(line) for line in (place / "data.jsonl").read_text().splitlines()]
