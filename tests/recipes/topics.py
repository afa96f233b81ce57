"""Linear datamodelling score (LDS) where a model has learned its task: topics.py BASE TRAIN TEST WORK OUT.

SmolLM2's first layers learn the four topics of AG News, all weights, from two training seeds. For each seed the model trained on
every instance is indexed, and models are trained on the same random halves S of the instances. For each query, the LDS is the
Spearman correlation over the halves between -loss(query) of the model trained on S and the sum over S of the method's scores
(Park et al. 2023, arXiv 2303.14186). Means over queries and seeds stand with 95 % intervals over queries, halves and seeds, all
three drawn again. Everything that took long is kept in WORK, and a run that was stopped goes on there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from attridex.client import Client
from attridex.indexer.building.build import build
from attridex.indexer.config import Config, parse_config
from attridex.indexer.ranks import spearman
from attridex.indexer.training.retraining import Retraining

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Options = Mapping[str, Any]
LABELS = ["World", "Sports", "Business", "Sci/Tech"]
DIM = 4096
"""Numbers that an instance is given where nothing else is said."""
DIMS = (512, DIM, 32_768, 262_144)
EKFAC: Options = {"method": "influence", "curvature": "ekfac"}
METHODS: dict[str, Options] = {
    "influence/ekfac": EKFAC,
    "influence/fisher": {"method": "influence", "curvature": "fisher"},
    "trak": {"method": "trak"},
    **{name: {"method": name} for name in ("grad-dot", "grad-cos", "rep-sim", "bm25", "random")},
}
REFERENCE = "grad-dot"
DRAWS = 1000
"""Of the bootstrap."""


def main(
    base: Path, train: Path, test: Path, work: Path, out: Path,
    layers: int = 4, instances: int = 512, queries: int = 200, halves: int = 32, seeds: int = 2, epochs: int = 3,
) -> None:  # fmt: skip
    """Train, index, ask, and compare."""
    work.mkdir(parents=True, exist_ok=True)
    rows, asked = sample(train, instances), sample(test, queries)
    write(work / "train.jsonl", rows)
    chosen = drawn_halves(len(rows), halves)
    runs = [Run(configuration(base, work, layers, epochs, seed), work / f"seed-{seed}") for seed in range(seeds)]
    for run in runs:
        run.go(asked, chosen)
    report = {
        "model": base.name, "layers": layers, "instances": len(rows), "queries": len(asked), "halves": halves, "seeds": seeds,
        "epochs": epochs, "accuracy": [run.accuracy for run in runs], "accuracy_of_halves": [run.half_accuracy for run in runs],
        **compared(runs, chosen),
    }  # fmt: skip
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


def sample(path: Path, count: int) -> list[dict[str, str]]:
    """Some records of a JSONL file, drawn once and for all."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [rows[at] for at in np.random.default_rng(0).permutation(len(rows))[:count]]


def write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def drawn_halves(count: int, halves: int) -> list[Int64]:
    """Random halves of the instances, the same for every training seed."""
    chance = np.random.default_rng(1)
    return [np.sort(chance.permutation(count)[: count // 2]) for _ in range(halves)]


def configuration(base: Path, work: Path, layers: int, epochs: int, seed: int) -> Config:
    """What is trained: all weights of the first layers."""
    data = {
        "model": {"path": str(base), "max_length": 128},
        "corpus": {"files": ["train.jsonl"], "text": "{title}\n{text}", "truncation": True, "labels": LABELS},
        "training": {
            "base": str(base.resolve()), "layers": layers, "epochs": epochs, "batch_size": 16, "learning_rate": 3e-4,
            "seed": seed,
        },
    }  # fmt: skip
    return parse_config(data, "topics", work.resolve())


class Run:
    """One training seed: its models, its indices, its scores.

    Attributes:
        losses: of the queries after training on each half [halves, queries].
        scores: of each method [queries, instances].
        accuracy: of the model trained on everything.
        half_accuracy: mean over the models trained on halves.
    """

    def __init__(self, config: Config, directory: Path) -> None:
        """`directory` keeps the work."""
        self._config, self._directory = config, directory
        self._models = Retraining(config, directory / "models")
        self.ids = list(self._models.instances)
        self.losses: Float64 = np.zeros((0, 0))
        self.scores: dict[str, Float64] = {}
        self.accuracy = self.half_accuracy = 0.0

    def go(self, asked: Sequence[dict[str, str]], halves: Sequence[Int64]) -> None:
        """Train on everything and on halves; ask the index of the first about what the others say."""
        tests = [self._models.render(record, f"query {record['id']}") for record in asked]
        model = self._models.model(self.ids)
        self.accuracy = float(self._models.evaluation(self.ids, tests).right.mean())
        typer.echo(f"{self._directory.name}: right on {self.accuracy:.3f} of the queries", err=True)
        for dim in DIMS:
            self._ask(model, dim, asked)
        said = []
        for number, half in enumerate(halves, 1):
            said.append(self._models.evaluation([self.ids[at] for at in half], tests))
            typer.echo(f"{self._directory.name}: retrained {number} of {len(halves)}", err=True)
        self.losses = np.stack([each.losses for each in said])
        self.half_accuracy = float(np.mean([each.right.mean() for each in said]))

    def _ask(self, model: Path, dim: int, asked: Sequence[dict[str, str]]) -> None:
        """Scores of an index with so many numbers an instance; EK-FAC alone but for the default size."""
        sized = {f"influence/ekfac, {dim:,} numbers": EKFAC, f"{REFERENCE}, {dim:,} numbers": METHODS[REFERENCE]}
        methods = METHODS if dim == DIM else sized
        index = self._directory / f"index-{dim}"
        curvature = ["ekfac", "fisher", "trak"] if dim == DIM else ["ekfac"]
        update = {
            "model": self._config.model.model_copy(update={"path": str(model)}),
            "gradients": self._config.gradients.model_copy(update={"parameters": "linear", "dim": dim, "curvature": curvature}),
            "neurons": self._config.neurons.model_copy(update={"enabled": False}),
        }
        build(self._config.model_copy(update=update), index)
        place = {identity: at for at, identity in enumerate(self.ids)}
        with Client.local(index) as client:
            for name, options in methods.items():
                table = np.zeros((len(asked), len(self.ids)))
                for number, result in enumerate(client.attribute_instances(list(asked), k=len(self.ids), **options).results):
                    for hit in result.hits:
                        table[number, place[hit.id]] = hit.score
                self.scores[name] = table


def compared(runs: Sequence[Run], halves: Sequence[Int64]) -> dict[str, Any]:
    """LDS of each method, and its difference to grad-dot's, with intervals over queries, halves and seeds."""
    sums = {
        name: np.stack([[run.scores[name][:, half].sum(1) for half in halves] for run in runs]) for name in runs[0].scores
    }  # seeds x halves x queries
    actual = -np.stack([run.losses for run in runs])
    chance = np.random.default_rng(2)
    draws = {name: np.zeros(DRAWS) for name in sums}
    for number in range(DRAWS):
        seeds, own, queries = (chance.integers(size, size=size) for size in actual.shape)
        for name, values in sums.items():
            draws[name][number] = score(values[np.ix_(seeds, own, queries)], actual[np.ix_(seeds, own, queries)])
    found = {name: score(values, actual) for name, values in sums.items()}
    return {
        "lds": {name: interval(found[name], draws[name]) for name in sums},
        "above_grad_dot": {
            name: interval(found[name] - found[REFERENCE], draws[name] - draws[REFERENCE]) for name in sums if name != REFERENCE
        },
        "by_seed": {name: [round(score(values[[s]], actual[[s]]), 4) for s in range(len(runs))] for name, values in sums.items()},
    }


def score(predicted: Float64, actual: Float64) -> float:
    """Mean over seeds and queries of Spearman's rho over the halves."""
    pairs = [(s, q) for s in range(actual.shape[0]) for q in range(actual.shape[2])]
    return float(np.mean([np.nan_to_num(spearman(predicted[s, :, q], actual[s, :, q])) for s, q in pairs]))


def interval(found: float, drawn: Float64) -> dict[str, float]:
    """A figure with its bootstrap 95 % interval."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": round(found, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


if __name__ == "__main__":
    typer.run(main)
