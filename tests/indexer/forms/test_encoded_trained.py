"""Models trained by a plain Trainer script: an index of the encoded rows has the losses that the trainer has."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from attridex.client import Client, Query
from attridex.indexer import build, load_config
from attridex.indexer.index.verify import verify
from tests.conftest import CONFIGS, tiny_model, word_tokenizer
from tests.indexer.forms.conftest import Trained, train, trainer_losses
from tests.indexer.models.model_types import T5

LM_ROWS = [
    {"input_ids": [1, *range(5 + n, 10 + n)], "labels": [-100, -100, *range(7 + n, 10 + n), 1], "id": f"r{n}"} for n in range(5)
]
PAIRS = [
    {"input_ids": [1, *range(5, 7 + n), 2, 8 + n], "token_type_ids": [0] * (4 + n) + [1], "label": n % 3, "id": f"r{n}"}
    for n in range(6)
]
for row in LM_ROWS:
    row["labels"] = row["labels"][: len(row["input_ids"])]
TAGGED = [
    {"input_ids": [1, *range(5, 7 + n), 2], "labels": [-100, *((n + at) % 3 for at in range(1 + n)), 1, -100], "id": f"r{n}"}
    for n in range(6)
]
CHOSEN = [
    {
        "input_ids": [[1, *range(5, 8 + n % 2), 2, 9 + choice, *[3] * choice] for choice in range(3)],
        "token_type_ids": [[0] * (5 + n % 2) + [1] * (1 + choice) for choice in range(3)], "label": n % 3, "id": f"r{n}",
    }
    for n in range(6)
]  # fmt: skip
PAIRED = [{"input_ids": [*range(5, 8 + n), 1], "labels": [9 + n, *([-100] * (n % 2)), 7, 1], "id": f"r{n}"} for n in range(5)]


@dataclass(frozen=True)
class Script:
    """A plain script: its model, its rows and its collator."""

    model: Callable[[], Any]
    rows: list[dict[str, Any]]
    collator: Callable[[Any], Any]


SCRIPTS = {
    "causal-lm": Script(lambda: tiny_model("llama", "causal-lm"), LM_ROWS, hf.DataCollatorForSeq2Seq),
    "sequence-classification": Script(lambda: tiny_model("bert"), PAIRS, hf.DataCollatorWithPadding),
    "token-classification": Script(
        lambda: hf.BertForTokenClassification(CONFIGS["bert"]()), TAGGED, hf.DataCollatorForTokenClassification
    ),
    "seq2seq-lm": Script(lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5)), PAIRED, hf.DataCollatorForSeq2Seq),
    "multiple-choice": Script(lambda: hf.BertForMultipleChoice(CONFIGS["bert"]()), CHOSEN, hf.DataCollatorForMultipleChoice),
}


@pytest.fixture(scope="module", params=SCRIPTS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    script, place = SCRIPTS[request.param], tmp_path_factory.mktemp(request.param)
    tokenizer = word_tokenizer()
    named = [{name: value for name, value in row.items() if name != "id"} for row in script.rows]
    torch.manual_seed(0)
    trainer = train(script.model(), named, place / "model", tokenizer, data_collator=script.collator(tokenizer))
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in script.rows))
    return Trained(trainer, named, place, request.param)


def built(trained: Trained, out: str, **corpus: Any) -> Path:
    lines = [
        f'[model]\npath = "model"\ntask = "{trained.task}"\n[corpus]\nfiles = ["rows.jsonl"]\nencoded = true\n'
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in corpus.items())
        + '[index]\nshard_rows = 2\n[neurons]\nsteps = 3\n[gradients]\nprojection = "none"\n'
    ]
    (trained.place / "config.toml").write_text("".join(lines))
    index = trained.place / out
    build(load_config(trained.place / "config.toml"), index, show_progress=False)
    return index


def test_losses_of_the_index_are_the_trainer_s_own(trained: Trained) -> None:
    index = built(trained, "index")
    rows = [{**row, "id": f"q{number}"} for number, row in enumerate(trained.rows)]
    with Client.local(index) as client:
        found = list(client.list_instances(fields=["loss", "document"]))
        asked = client.predict(rows).results
        again = client.predict([Query.instance(each.id) for each in found]).results  # from the stored encodings
        near = client.attribute_instances(rows[:1], k=len(rows)).results[0]
    losses = [each.fields["loss"] for each in found]
    assert losses == pytest.approx(trainer_losses(trained.trainer, trained.rows), rel=1e-5)
    assert [each.baseline.loss for each in asked] == pytest.approx(losses, rel=1e-5)
    assert [each.baseline.loss for each in again] == pytest.approx(losses, rel=1e-5)
    assert [each.fields["document"] for each in found] == [f"r{number}" for number in range(len(found))]
    assert near.prediction is not None
    assert near.prediction.loss == pytest.approx(losses[0], rel=1e-5)
    assert all(checked.problem is None for checked in verify(index))


def test_a_shard_is_built_again_to_the_same_bytes(trained: Trained) -> None:
    index = built(trained, "again")
    shard = index / "shards" / "0000000000-0000000002"
    before = (shard / "shard.json").read_bytes()
    shutil.rmtree(shard)
    assert build(load_config(trained.place / "config.toml"), index, show_progress=False).signed == 2
    assert (shard / "shard.json").read_bytes() == before
