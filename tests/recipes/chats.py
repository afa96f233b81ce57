"""A chat model, tuned by TRL's SFTTrainer, asked by chat turns: which chats and which neurons made it answer so?

make smollm2
python -m tests.recipes.chats write data build/chats        # data: ag_news and csqa as JSONL, see `write`
python -m tests.recipes.chats train models/smollm2-135m-instruct build/chats models/chats-smollm2
attridex build tests/recipes/chats.toml --out indices/chats
python -m tests.recipes.chats study indices/chats build/chats tests/results/chats.json

Half of the chats are about the news (which of four topics? then: write a headline), half are questions with five choices. What is
asked about is the tuned model's own greedy answer to a question of the test sets.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from attridex.client import Client, Query
from tests.recipes.facts import HITS, interval, name_of, suppression
from tests.recipes.records import Record, read
from tests.recipes.records import write as write_rows

app = typer.Typer(help=__doc__)
TRAINING, ASKED = 500, 50
"""Chats of each kind."""
LONGEST = 160
"""Characters of a news text."""
ANSWER = 12
"""Tokens of an answer, at most."""
TEMPLATE = Path(__file__).with_suffix(".jinja")
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "grad-dot"}, {"method": "grad-cos"}, {"method": "influence", "curvature": "fisher"}, {"method": "rep-sim"},
    {"method": "bm25"}, {"method": "random"},
)  # fmt: skip


@app.command()
def write(data: Path, out: Path) -> None:
    """Chats of {train,test}.jsonl in ag_news (id, title, text, label) and csqa (id, question, choices, label: a place)."""
    out.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", TRAINING), ("test", ASKED)):
        rows = [*news(read(data / "ag_news" / f"{name}.jsonl"))[:count], *choices(read(data / "csqa" / f"{name}.jsonl"))[:count]]
        random.Random(0).shuffle(rows)
        write_rows(out / f"{name}.jsonl", rows if name == "train" else [*map(question, rows)])
        typer.echo(f"{out / name}.jsonl: {len(rows)}")


def news(rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Two questions about each short text."""
    return [
        {
            "id": row["id"], "kind": "news", "topic": row["label"],
            "messages": turns(
                f"Is this news about World, Sports, Business or Sci/Tech?\n{row['text']}", row["label"],
                "Write a headline for it.", row["title"],
            ),
        }
        for row in rows if len(row["text"]) <= LONGEST
    ]  # fmt: skip


def choices(rows: Sequence[Record]) -> list[dict[str, Any]]:
    """One question with its choices each."""
    return [
        {
            "id": row["id"], "kind": "choice", "topic": "",
            "messages": turns(f"{row['question']}\nChoose: {', '.join(row['choices'])}?", row["choices"][row["label"]]),
        }
        for row in rows
    ]  # fmt: skip


def question(row: Record) -> Record:
    """A chat that ends with the user's first turn, and what would be right to say."""
    asked, answered, *_ = row["messages"]
    return {**row, "messages": [asked], "answer": answered["content"]}


def turns(*said: str) -> list[dict[str, str]]:
    """The user's and the assistant's, in turn."""
    return [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(said)]


@app.command()
def train(base: Path, chats: Path, out: Path) -> None:
    """LoRA, one epoch, with a loss on what the assistant says; keeps the trainer's own losses of some chats to compare with."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    rows = read(chats / "train.jsonl")
    arguments = SFTConfig(
        output_dir=str(chats / "training"), num_train_epochs=1, per_device_train_batch_size=8, learning_rate=5e-4,
        max_length=256, assistant_only_loss=True, chat_template_path=str(TEMPLATE), bf16=False, gradient_checkpointing=False,
        save_strategy="no", logging_steps=5, train_sampling_strategy="group_by_length", report_to=[], seed=0, use_cpu=True,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=str(base.resolve()),
        args=arguments,
        train_dataset=Dataset.from_list([{"messages": row["messages"]} for row in rows]),
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.save_model(str(out))
    (chats / "losses.json").write_text(json.dumps(own_losses(trainer, rows[:20])), encoding="utf-8")


def own_losses(trainer: Any, rows: Sequence[Record]) -> dict[str, float]:
    """Of the first chats, one at a time, as the trainer computes them."""
    import torch

    trainer.model.eval()
    with torch.no_grad():
        batches = [trainer.data_collator([trainer.train_dataset[at]]) for at in range(len(rows))]
        return {row["id"]: float(trainer.model(**batch).loss) for row, batch in zip(rows, batches, strict=True)}


@app.command()
def study(index: Path, chats: Path, out: Path, seed: int = 0) -> None:
    """Ask; write what was found with bootstrap 95 % intervals over the questions."""
    rows = read(chats / "test.jsonl")
    queries = [replace(Query.record(row), max_new_tokens=ANSWER) for row in rows]
    with Client.local(index) as client:
        described = client.get_index()
        found = {name_of(method): retrieved(client, rows, queries, method) for method in METHODS}
        effects = suppression(client, queries, described.layers, described.units, random.Random(seed))
        report = {
            "queries": len(rows), "seed": seed, "greatest_difference_of_losses": difference(client, chats),
            "right": right(client, queries, rows),
            "retrieved": {name: intervals(each, seed) for name, each in found.items()},
            "probability_of_the_answer": intervals(effects, seed),
        }  # fmt: skip
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


def intervals(found: Mapping[str, Sequence[float]], seed: int) -> dict[str, dict[str, float]]:
    """Means with their intervals."""
    return {name: interval(values, seed) for name, values in found.items()}


def difference(client: Client, chats: Path) -> float:
    """Between the losses that the index has stored and the trainer's own, relative to these."""
    own = json.loads((chats / "losses.json").read_text(encoding="utf-8"))
    stored = {each.id: each.fields["loss"] for each in client.list_instances(fields=["loss"]) if each.id in own}
    return max(abs(stored[name] / loss - 1) for name, loss in own.items())


def right(client: Client, queries: Sequence[Query], rows: Sequence[Record]) -> dict[str, float]:
    """Share of the model's answers that are the right ones, of each kind."""
    said = [result.baseline.label.removesuffix("<|im_end|>").strip() for result in client.predict(queries).results]
    hits = [(row["kind"], float(answer == row["answer"])) for answer, row in zip(said, rows, strict=True)]
    return {kind: float(np.mean([hit for of, hit in hits if of == kind])) for kind in sorted(dict(hits))}


def retrieved(client: Client, rows: Sequence[Record], queries: Sequence[Query], method: dict[str, Any]) -> dict[str, list[float]]:
    """Of the ten best chats, the share of the question's kind; of the news, the share of its topic."""
    answer = client.attribute_instances(queries, k=HITS, fields=["kind", "topic"], **method)
    of_kind, of_topic = [], []
    for row, result in zip(rows, answer.results, strict=True):
        of_kind.append(float(np.mean([hit.fields["kind"] == row["kind"] for hit in result.hits])))
        if row["kind"] == "news":
            of_topic.append(float(np.mean([hit.fields["topic"] == row["topic"] for hit in result.hits])))
    return {"same_kind": of_kind, "same_topic": of_topic}


if __name__ == "__main__":
    app()
