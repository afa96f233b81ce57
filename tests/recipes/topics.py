"""LDS where a model has learned its task: AG News by SmolLM2's first layers, all weights, from two training seeds.

make smollm2
python -m tests.recipes.topics models/smollm2-135m-instruct data/ag_news build/topics tests/results/topics.json

data/ag_news has train.jsonl and test.jsonl: id, title, text, label. For each seed the model trained on every instance is
indexed, with as many numbers an instance as `DIMS` says, and models are trained on the same random halves. Everything that took
long is kept in build/topics, and a run that was stopped goes on there: about three hours of one core.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

from attridex.indexer.building.build import build
from attridex.indexer.config import Config, parse_config
from attridex.indexer.training.retraining import Retraining
from tests.recipes.lds import REFERENCE, Float64, Int64, Options, compared, counted, drawn_halves, scores, summed
from tests.recipes.records import Record, drawn, read, write

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


def main(
    base: Path, data: Path, work: Path, out: Path,
    layers: int = 4, instances: int = 512, queries: int = 200, halves: int = 32, seeds: int = 2, epochs: int = 3,
) -> None:  # fmt: skip
    """Train, index, ask, and compare."""
    work.mkdir(parents=True, exist_ok=True)
    rows, asked = drawn(read(data / "train.jsonl"), instances), drawn(read(data / "test.jsonl"), queries)
    write(work / "train.jsonl", rows)
    chosen = drawn_halves(len(rows), halves)
    runs = [Run(configuration(base, work, layers, epochs, seed), work / f"seed-{seed}") for seed in range(seeds)]
    for run in runs:
        run.go(asked, chosen)
    report = {
        "model": base.name, "layers": layers, "instances": len(rows), "queries": len(asked), "halves": halves, "seeds": seeds,
        "epochs": epochs, "dim": DIM,
        "accuracy": [run.accuracy for run in runs], "accuracy_of_halves": [run.half_accuracy for run in runs],
        **compared(
            {name: np.stack([summed(run.scores[name], chosen) for run in runs]) for name in runs[0].scores},
            -np.stack([run.losses for run in runs]),
        ),
    }  # fmt: skip
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


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

    def go(self, asked: Sequence[Record], halves: Sequence[Int64]) -> None:
        """Train on everything and on halves; ask the index of the first about what the others say."""
        tests = [self._models.render(record, f"query {record['id']}") for record in asked]
        model = self._models.model(self.ids)
        self.accuracy = float(self._models.evaluation(self.ids, tests).right.mean())
        typer.echo(f"{self._directory.name}: right on {self.accuracy:.3f} of the queries", err=True)
        for dim in DIMS:
            self._ask(model, dim, asked)
        said = [
            self._models.evaluation([self.ids[at] for at in half], tests) for half in counted(halves, self._directory.name)
        ]  # fmt: skip
        self.losses = np.stack([each.losses for each in said])
        self.half_accuracy = float(np.mean([each.right.mean() for each in said]))

    def _ask(self, model: Path, dim: int, asked: Sequence[Record]) -> None:
        """Scores of an index with so many numbers an instance; all methods at the default size alone."""
        sized = {f"influence/ekfac, {dim:,} numbers": EKFAC, f"{REFERENCE}, {dim:,} numbers": METHODS[REFERENCE]}
        index = self._directory / f"index-{dim}"
        curvature = ["ekfac", "fisher", "trak"] if dim == DIM else ["ekfac"]
        update = {
            "model": self._config.model.model_copy(update={"path": str(model)}),
            "gradients": self._config.gradients.model_copy(update={"parameters": "linear", "dim": dim, "curvature": curvature}),
            "neurons": self._config.neurons.model_copy(update={"enabled": False}),
        }
        build(self._config.model_copy(update=update), index)
        self.scores |= scores(index, asked, self.ids, METHODS if dim == DIM else sized)


if __name__ == "__main__":
    typer.run(main)
