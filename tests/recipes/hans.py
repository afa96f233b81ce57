"""HANS against a model of MNLI: queries without labels, the ones that it gets wrong, and what retrieved instances share.

python tests/recipes/hans.py queries data/hans/test.jsonl hans.jsonl
attridex predict --index INDEX --queries hans.jsonl --json > predictions.jsonl
python tests/recipes/hans.py errors hans.jsonl predictions.jsonl hans-errors.jsonl
attridex query ia --index INDEX --queries hans-errors.jsonl --method grad-cos --label predicted --json > found.jsonl
python tests/recipes/hans.py retrieved data/mnli/train.jsonl found.jsonl
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

app = typer.Typer(help=__doc__)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines."""
    return map(json.loads, path.read_text().splitlines())


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def overlap(premise: str, hypothesis: str) -> float:
    """Share of the hypothesis's words that stand in the premise."""
    known, words = (re.findall(r"[a-z']+", text.lower()) for text in (premise, hypothesis))
    return sum(word in set(known) for word in words) / max(1, len(words))


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    found = list(values)
    return sum(found) / len(found)


@app.command()
def queries(source: Path, out: Path) -> None:
    """Drop the label, which is none of MNLI's, and keep it as `gold`."""
    write(out, ({**{key: row[key] for key in ("id", "premise", "hypothesis")}, "gold": row["label"]} for row in read(source)))


@app.command()
def errors(source: Path, predictions: Path, out: Path, limit: int = 200) -> None:
    """Queries whose prediction is wrong: neutral and contradiction both count as non-entailment."""
    answered = {line["query"]: line["predicted"] for line in read(predictions)}
    rows = list(read(source))
    wrong = [row for row in rows if (answered[row["id"]] == "entailment") != (row["gold"] == "entailment")]
    write(out, wrong[:limit])
    missed = sum(row["gold"] != "entailment" for row in wrong)
    typer.echo(f"accuracy {1 - len(wrong) / len(rows):.3f}; {len(wrong)} errors, {missed} of them taken for entailment")


@app.command()
def retrieved(corpus: Path, found: Path) -> None:
    """Word overlap of the retrieved instances beside the corpus's."""
    rows = list(read(corpus))
    entailed = [row for row in rows if row["label"] == "entailment"]
    hits = [hit for line in read(found) for hit in line["hits"]]
    for name, some in (("corpus", rows), ("entailed pairs", entailed), ("retrieved", hits)):
        typer.echo(f"{name}: {mean(overlap(row['premise'], row['hypothesis']) for row in some):.3f}")


if __name__ == "__main__":
    app()
