"""Linear datamodelling score (LDS) of IA methods by retraining on random halves of real data: lds.py MODEL TRAIN TEST OUT.

Two studies of the same texts and model (SmolLM2's first layers, MNLI pairs):

probe   the body is frozen, the head is trained to its optimum: multinomial logistic regression with a ridge.
tuned   the whole model is trained from the pretrained weights for some epochs, with the same order and seed.

For each query, the LDS is the Spearman correlation over the halves S between -loss(query) of the model trained on S and the sum
over S of the method's scores at the model trained on everything (Park et al. 2023, arXiv 2303.14186). Means over queries stand
with bootstrap 95 % intervals over queries; differences between methods are paired.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from attridex.client import Client
from attridex.indexer.building.build import build
from attridex.indexer.config import Config, parse_config
from attridex.indexer.models.loading import quiet_transformers
from attridex.indexer.signing.signer import Signer

Array = NDArray[np.float64]
LABELS = ["entailment", "neutral", "contradiction"]
SEGMENTS = ["Premise : {premise}", "/ Hypothesis : {hypothesis}", "/ Answer :"]
RIDGE = 1e-2
"""Of the probe: lambda of mean loss + lambda / 2 |w|^2, and so the damping of its influence."""
HEAD: dict[str, dict[str, Any]] = {
    "influence/hessian": {"method": "influence", "curvature": "hessian", "damping": RIDGE},
    "influence/fisher": {"method": "influence", "curvature": "fisher"},
    "influence/ekfac": {"method": "influence", "curvature": "ekfac"},
    "trak": {"method": "trak"},
    "lissa": {"method": "lissa", "curvature": "hessian"},
}
LINEAR = {name: HEAD[name] for name in ("influence/fisher", "influence/ekfac", "trak")}
PLAIN: dict[str, dict[str, Any]] = {name: {"method": name} for name in ("grad-dot", "grad-cos", "rep-sim", "bm25", "random")}


def main(
    model: Path,
    train: Path,
    test: Path,
    out: Path,
    layers: int = 4,
    instances: int = 1000,
    queries: int = 100,
    halves: int = 200,
    tuned_instances: int = 256,
    tuned_halves: int = 24,
    epochs: int = 3,
    seed: int = 0,
) -> None:
    """Run both studies."""
    report: dict[str, Any] = {"model": model.name, "layers": layers, "seed": seed}
    with tempfile.TemporaryDirectory(prefix="attridex-lds-") as name:
        directory = Path(name)
        asked = sample(test, queries, seed)
        write(directory / "test.jsonl", asked)
        start = pretrained(model, layers, seed)
        report["probe"] = probe(directory, model, start, sample(train, instances, seed), asked, halves, seed)
        report["tuned"] = tuned(directory, model, start, sample(train, tuned_instances, seed), asked, tuned_halves, epochs, seed)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


def sample(path: Path, count: int, seed: int) -> list[dict[str, str]]:
    """Some short records of a JSONL file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    short = [row for row in rows if len((row["premise"] + row["hypothesis"]).split()) <= 40]
    return [short[at] for at in np.random.default_rng(seed).permutation(len(short))[:count]]


def write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def pretrained(path: Path, layers: int, seed: int) -> Any:
    """The first layers with a fresh head."""
    torch.manual_seed(seed)
    with quiet_transformers():
        model = AutoModelForSequenceClassification.from_pretrained(
            path, num_hidden_layers=layers, num_labels=len(LABELS), id2label=dict(enumerate(LABELS)), dtype=torch.float32
        )
    model.config.pad_token_id = AutoTokenizer.from_pretrained(path).pad_token_id
    return model


def configuration(directory: Path, model: Any, source: Path, rows: Sequence[dict[str, str]], gradients: dict[str, Any]) -> Config:
    """Save model and corpus, and say how to index them."""
    with quiet_transformers():
        model.save_pretrained(directory / "model")
    AutoTokenizer.from_pretrained(source).save_pretrained(directory / "model")
    write(directory / "train.jsonl", rows)
    return parse_config(
        {
            "model": {"path": "model"}, "corpus": {"files": ["train.jsonl"], "segments": SEGMENTS, "labels": LABELS},
            "gradients": gradients, "neurons": {"enabled": False},
        },
        "lds", directory,
    )  # fmt: skip


def states(config: Config, rows: Sequence[dict[str, str]]) -> tuple[Array, NDArray[np.int64]]:
    """What the head reads of each text [n, h], and the labels [n]."""
    signer = Signer.load(config)
    signed = signer.sign([signer.render(row, "lds") for row in rows], gradient=False, neurons=False)
    return np.stack([each.hidden for each in signed]).astype(np.float64), np.array([LABELS.index(row["label"]) for row in rows])


def probe(
    directory: Path, source: Path, model: Any, rows: list[dict[str, str]], asked: list[dict[str, str]], halves: int, seed: int
) -> dict[str, Any]:
    """LDS of head-scope methods where the head alone is trained, to its optimum."""
    gradients = {"parameters": "head", "curvature": ["hessian", "fisher", "ekfac", "trak"]}
    config = configuration(directory, model, source, rows, gradients)
    x, y = states(config, rows)
    q, labels = states(config, asked)
    scale = np.sqrt((x**2).mean())  # a factor of the states is a factor of the weights

    def fitted(chosen: NDArray[np.int64]) -> Array:
        fit = LogisticRegression(C=1 / (RIDGE * len(chosen)), fit_intercept=False, max_iter=2000, tol=1e-8)
        fit.fit(x[chosen] / scale, y[chosen])
        return np.asarray(fit.coef_)

    model.score.weight.data = torch.tensor(fitted(np.arange(len(rows))) / scale, dtype=torch.float32)
    config = configuration(directory, model, source, rows, gradients)
    build(config, directory / "probe", show_progress=False)
    settings = {**PLAIN, **HEAD}
    # The head reads states that are `scale` times longer than those that the ridge was set for.
    settings["influence/hessian"] = {**HEAD["influence/hessian"], "damping": RIDGE * scale**2}
    found = scores(directory / "probe", asked, rows, settings)

    def losses(chosen: NDArray[np.int64]) -> Array:
        return cross_entropy(q / scale @ fitted(chosen).T, labels)

    figures = study(found, losses, len(rows), halves, seed)
    accuracy = float(((q / scale @ fitted(np.arange(len(rows))).T).argmax(1) == labels).mean())
    return {"instances": len(rows), "queries": len(asked), "halves": halves, "accuracy": accuracy, **figures}


def tuned(
    directory: Path, source: Path, start: Any, rows: list[dict[str, str]], asked: list[dict[str, str]], halves: int, epochs: int,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """LDS of linear-scope methods where the whole model is trained."""
    begin = {name: value.clone() for name, value in start.state_dict().items()}
    torch.manual_seed(seed)
    begin["score.weight"] = torch.randn_like(begin["score.weight"]) * 0.02
    config = configuration(directory, start, source, rows, {"parameters": "head"})
    signer = Signer.load(config)
    texts = [signer.render(row, "lds").sequences[0] for row in rows]
    queries = [signer.render(row, "lds").sequences[0] for row in asked]
    y, labels = (np.array([LABELS.index(row["label"]) for row in each]) for each in (rows, asked))

    def trained(chosen: NDArray[np.int64]) -> Any:
        start.load_state_dict(begin)
        train(start, [texts[at] for at in chosen], y[chosen], epochs, seed)
        return start

    build_config = configuration(
        directory, trained(np.arange(len(rows))), source, rows,
        {"parameters": "linear", "dim": 8192, "curvature": ["fisher", "ekfac", "trak"]},
    )  # fmt: skip
    logits = outputs(start, queries)
    build(build_config, directory / "tuned", show_progress=False)
    found = scores(directory / "tuned", asked, rows, {**PLAIN, **LINEAR})
    figures = study(found, lambda chosen: cross_entropy(outputs(trained(chosen), queries), labels), len(rows), halves, seed)
    accuracy = float((logits.argmax(1) == labels).mean())
    return {
        "instances": len(rows), "queries": len(asked), "halves": halves, "epochs": epochs, "accuracy": accuracy, **figures,
    }  # fmt: skip


def train(model: Any, texts: Sequence[Sequence[int]], labels: NDArray[np.int64], epochs: int, seed: int) -> None:
    """AdamW, batches of 16, the order drawn from the seed."""
    model.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for part in np.array_split(rng.permutation(len(texts)), max(1, len(texts) // 16)):
            loss = torch.nn.functional.cross_entropy(forward(model, [texts[at] for at in part]), torch.tensor(labels[part]))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    model.eval()


def forward(model: Any, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Logits of a batch [n, C]."""
    width = max(map(len, texts))
    pad = model.config.pad_token_id
    ids = torch.tensor([[*text, *[pad] * (width - len(text))] for text in texts])
    lengths = torch.tensor([len(text) for text in texts])
    mask = (torch.arange(width)[None] < lengths[:, None]).long()
    hidden = model.model(ids, attention_mask=mask, use_cache=False).last_hidden_state
    logits: torch.Tensor = model.score(hidden[torch.arange(len(texts)), lengths - 1])
    return logits


def outputs(model: Any, texts: Sequence[Sequence[int]]) -> Array:
    """Logits of many texts [n, C]."""
    with torch.no_grad():
        parts = [forward(model, texts[at : at + 25]) for at in range(0, len(texts), 25)]
    return torch.cat(parts).double().numpy()


def cross_entropy(logits: Array, labels: NDArray[np.int64]) -> Array:
    """Losses [n]."""
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels])


def scores(index: Path, asked: list[dict[str, str]], rows: list[dict[str, str]], settings: dict[str, Any]) -> dict[str, Array]:
    """Scores of every method [queries, instances]."""
    place = {row["id"]: at for at, row in enumerate(rows)}
    found = {}
    with Client.local(index) as client:
        for name, options in settings.items():
            table = np.zeros((len(asked), len(rows)))
            for number, result in enumerate(client.attribute_instances(asked, k=len(rows), **options).results):
                for hit in result.hits:
                    table[number, place[hit.id]] = hit.score
            found[name] = table
    return found


def study(
    found: dict[str, Array], losses: Callable[[NDArray[np.int64]], Array], count: int, halves: int, seed: int
) -> dict[str, Any]:
    """LDS of each method, and its difference to grad-dot's."""
    rng = np.random.default_rng(seed)
    chosen = [np.sort(rng.permutation(count)[: count // 2]) for _ in range(halves)]
    actual = -np.stack([losses(half) for half in progress(chosen)])  # halves x queries
    per_query = {
        name: np.array([correlation([table[q, half].sum() for half in chosen], actual[:, q]) for q in range(len(table))])
        for name, table in found.items()
    }
    return {
        "lds": {name: interval(values, seed) for name, values in per_query.items()},
        "above_grad_dot": {
            name: interval(values - per_query["grad-dot"], seed) for name, values in per_query.items() if name != "grad-dot"
        },
    }


def progress(chosen: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """The halves, counted on stderr."""
    for number, half in enumerate(chosen, 1):
        yield half
        typer.echo(f"\rretrained {number} of {len(chosen)}", nl=number == len(chosen), err=True)


def correlation(predicted: Sequence[float], actual: Array) -> float:
    """Spearman's rho; 0 where a side is constant."""
    return float(np.nan_to_num(spearmanr(predicted, actual).statistic))


def interval(values: Array, seed: int) -> dict[str, float]:
    """Mean with its bootstrap 95 % interval."""
    drawn = np.random.default_rng(seed).choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


if __name__ == "__main__":
    typer.run(main)
