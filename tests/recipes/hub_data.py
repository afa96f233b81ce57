"""Data sets of the Hub as the recipes' JSON lines: hub_data.py nli|averitec|csqa OUT.

nli       nyu-mll/multi_nli (train, validation_matched) and jhu-cogsyn/hans (validation)
averitec  chenxwh/AVeriTeC (train, dev): questions and answers of the evidence are written one after the other
csqa      tau/commonsense_qa (train, validation)
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
import typer

MNLI = ("entailment", "neutral", "contradiction")
HANS = ("entailment", "non-entailment")
Record = dict[str, Any]


def pair(labels: tuple[str, ...]) -> Callable[[Mapping[str, Any], str], Record | None]:
    """Premise, hypothesis and label of a row; None for one without a label."""

    def convert(row: Mapping[str, Any], identity: str) -> Record | None:
        if row["label"] < 0:
            return None
        return {
            "id": identity, "premise": row["premise"], "hypothesis": row["hypothesis"], "label": labels[row["label"]],
        }  # fmt: skip

    return convert


def claim(row: Mapping[str, Any], identity: str) -> Record:
    """Claim, evidence and label of a row of AVeriTeC."""
    parts = [
        f"({number}) {question['question']} {' '.join(answer['answer'] for answer in question['answers'])}"
        for number, question in enumerate(row["questions"])
    ]
    return {"id": identity, "claim": row["claim"], "evidence": " ".join(parts), "label": row["label"]}


def question(row: Mapping[str, Any], identity: str) -> Record | None:
    """Question, choices and the number of the right one."""
    if not row["answerKey"]:
        return None
    label = list(row["choices"]["label"]).index(row["answerKey"])
    return {"id": identity, "question": row["question"], "choices": list(row["choices"]["text"]), "label": label}


SOURCES: dict[str, list[tuple[str, str, str, Callable[[Mapping[str, Any], str], Record | None]]]] = {
    "nli": [
        ("train", "nyu-mll/multi_nli", "train", pair(MNLI)),
        ("test", "nyu-mll/multi_nli", "validation_matched", pair(MNLI)),
        ("hans", "jhu-cogsyn/hans", "validation", pair(HANS)),
    ],
    "averitec": [("train", "chenxwh/AVeriTeC", "train", claim), ("test", "chenxwh/AVeriTeC", "dev", claim)],
    "csqa": [("train", "tau/commonsense_qa", "train", question), ("test", "tau/commonsense_qa", "validation", question)],
}
"""For each task: file, data set, split, and how a row becomes a record."""


def records(rows: Any, name: str, convert: Callable[[Mapping[str, Any], str], Record | None]) -> Iterator[Record]:
    """Records of a split, numbered."""
    for number, row in enumerate(rows):
        record = convert(row, f"{name}-{number}")
        if record is not None:
            yield record


def main(task: str, out: Path) -> None:
    """Write the files of a task."""
    out.mkdir(parents=True, exist_ok=True)
    for name, source, split, convert in SOURCES[task]:
        rows = list(records(datasets.load_dataset(source, split=split), f"{task}-{name}", convert))
        (out / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        typer.echo(f"{out / name}.jsonl: {len(rows)}")


if __name__ == "__main__":
    typer.run(main)
