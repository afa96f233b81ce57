"""LDS where the model is at its optimum: a head on SmolLM2's frozen first layers, trained on MNLI pairs to the end.

make smollm2
python -m tests.recipes.probe models/smollm2-135m-instruct data/mnli tests/results/probe.json

data/mnli has train.jsonl and test.jsonl: id, premise, hypothesis, label. The head is multinomial logistic regression with a
ridge: each half's optimum is the same whatever seed it starts from.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from attridex.indexer.building.build import build
from attridex.indexer.config import Config, parse_config
from attridex.indexer.models.loading import quiet_transformers
from attridex.indexer.signing.signer import Signer
from tests.recipes.lds import Float64, Int64, Options, compared, counted, drawn_halves, scores, summed
from tests.recipes.records import Record, drawn, read, write

LABELS = ["entailment", "neutral", "contradiction"]
SEGMENTS = ["Premise : {premise}", "/ Hypothesis : {hypothesis}", "/ Answer :"]
RIDGE = 1e-2
"""Lambda of mean loss + lambda / 2 |w|^2, and so the damping of the influence."""
CURVATURE = ["hessian", "fisher", "ekfac", "trak"]
METHODS: dict[str, Options] = {
    "influence/fisher": {"method": "influence", "curvature": "fisher"},
    "influence/ekfac": {"method": "influence", "curvature": "ekfac"},
    "trak": {"method": "trak"},
    "lissa": {"method": "lissa", "curvature": "hessian"},
    **{name: {"method": name} for name in ("grad-dot", "grad-cos", "rep-sim", "bm25", "random")},
}


def main(
    base: Path,
    data: Path,
    out: Path,
    layers: int = 4,
    instances: int = 1000,
    queries: int = 100,
    halves: int = 200,
    seed: int = 0,
) -> None:
    """Fit the head on everything and on halves; ask the index of the first about what the others say."""
    rows, asked = sample(data / "train.jsonl", instances, seed), sample(data / "test.jsonl", queries, seed)
    with tempfile.TemporaryDirectory(prefix="attridex-probe-") as name:
        report = probed(Path(name), base, layers, rows, asked, halves, seed)
    report = {
        "model": base.name,
        "layers": layers,
        "seed": seed,
        "instances": len(rows),
        "queries": len(asked),
        "halves": halves,
    } | report
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


def sample(path: Path, count: int, seed: int) -> list[Record]:
    """Some short records of a JSONL file."""
    short = [row for row in read(path) if len((row["premise"] + row["hypothesis"]).split()) <= 40]
    return drawn(short, count, seed)


def probed(
    work: Path, base: Path, layers: int, rows: Sequence[Record], asked: Sequence[Record], halves: int, seed: int
) -> dict[str, Any]:
    """LDS of head-scope methods."""
    model = pretrained(base, layers, seed)
    config = configuration(work, model, base, rows)
    (x, y), (q, labels) = states(config, rows), states(config, asked)
    scale = np.sqrt((x**2).mean())  # a factor of the states is a factor of the weights

    def fitted(chosen: Int64) -> Float64:
        fit = LogisticRegression(C=1 / (RIDGE * len(chosen)), fit_intercept=False, max_iter=2000, tol=1e-8)
        fit.fit(x[chosen] / scale, y[chosen])
        return np.asarray(fit.coef_)

    whole = fitted(np.arange(len(rows)))
    model.score.weight.data = torch.tensor(whole / scale, dtype=torch.float32)
    config = configuration(work, model, base, rows)
    build(config, work / "index", show_progress=False)
    # The head reads states that are `scale` times longer than those that the ridge was set for.
    hessian: Options = {"method": "influence", "curvature": "hessian", "damping": RIDGE * scale**2}
    chosen = drawn_halves(len(rows), halves)
    found = scores(work / "index", asked, [row["id"] for row in rows], {"influence/hessian": hessian, **METHODS})
    actual = -np.stack([cross_entropy(q / scale @ fitted(half).T, labels) for half in counted(chosen, "head")])
    accuracy = float(((q / scale @ whole.T).argmax(1) == labels).mean())
    return {"accuracy": accuracy, **compared({name: summed(table, chosen)[None] for name, table in found.items()}, actual[None])}


def pretrained(path: Path, layers: int, seed: int) -> Any:
    """The first layers with a fresh head."""
    torch.manual_seed(seed)
    with quiet_transformers():
        model = AutoModelForSequenceClassification.from_pretrained(
            path, num_hidden_layers=layers, num_labels=len(LABELS), id2label=dict(enumerate(LABELS)), dtype=torch.float32
        )
    model.config.pad_token_id = AutoTokenizer.from_pretrained(path).pad_token_id
    return model


def configuration(work: Path, model: Any, base: Path, rows: Sequence[Record]) -> Config:
    """Save model and corpus, and say how to index them."""
    with quiet_transformers():
        model.save_pretrained(work / "model")
    AutoTokenizer.from_pretrained(base).save_pretrained(work / "model")
    write(work / "train.jsonl", rows)
    return parse_config(
        {
            "model": {"path": "model"}, "corpus": {"files": ["train.jsonl"], "segments": SEGMENTS, "labels": LABELS},
            "gradients": {"parameters": "head", "curvature": CURVATURE}, "neurons": {"enabled": False},
        },
        "probe", work,
    )  # fmt: skip


def states(config: Config, rows: Sequence[Record]) -> tuple[Float64, Int64]:
    """What the head reads of each text [n, h], and the labels [n]."""
    signer = Signer.load(config)
    signed = signer.sign([signer.render(row, "probe") for row in rows], gradient=False, neurons=False)
    return np.stack([each.hidden for each in signed]).astype(np.float64), np.array([LABELS.index(row["label"]) for row in rows])


def cross_entropy(logits: Float64, labels: Int64) -> Float64:
    """Losses [n]."""
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels])


if __name__ == "__main__":
    typer.run(main)
