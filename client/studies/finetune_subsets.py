"""Fine-tuning on influential instances: is a model trained on the most (or least) influential part better than on a random one?

All training instances are ranked by a method's sums of ranks over the queries; the pretrained model is trained on the top and the
bottom of that ranking and on random subsets of the same size, and tested on the same held-out instances.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.client.workbench.context import Context
from attridex.client.workbench.ranking import Rows, order, rank_sums
from attridex.client.workbench.results import Results, Row
from attridex.client.workbench.retrained import configuration, rendered, retraining, test_records
from attridex.client.workbench.statistics import above_draws, mean_interval

NAME = "finetune-subsets"
TITLE = "Fine-tuning on influential instances"
RANDOM, WHOLE = "random", "whole pool"


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        methods: whose rankings are trained on; the run's first instance method and NA-Instances where empty.
        fractions: of the pool, from either end of the ranking.
        seeds: random subsets of each size.
        pool: training instances that are ranked and trained on, drawn by the seed; 0 takes all.
        tests: file of test instances, beside the settings file; the training's first test file where empty.
        count: test instances, drawn by the seed; 0 takes all.
    """

    methods: tuple[str, ...] = ()
    fractions: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    seeds: int = 3
    pool: int = 0
    tests: str = ""
    count: int = 500


@dataclass(frozen=True)
class Subset:
    """A part of the pool that a model is trained on."""

    method: str
    end: str
    fraction: float
    draw: int
    chosen: Rows


def run(context: Context, config: Config) -> Results:
    """Rank, train on every part, and set each beside random parts of its size."""
    trained = configuration(context)
    records = test_records(context, trained, config.tests, config.count, f"[{NAME}]")
    trainer = retraining(context, trained)
    tests = rendered(trainer, records)
    instances = list(context.client.list_instances(fields=["id"]))
    pool = drawn_pool(len(instances), config.pool, context.seed)
    rows = np.array([instances[at].row for at in pool], np.int64)
    subsets = list(parts(context, config, rows))
    right: dict[int, NDArray[np.bool_]] = {}
    with context.progress("finetune-subsets: training", len(subsets), "models") as advance:
        for number, subset in enumerate(subsets):
            ids = [instances[pool[at]].id for at in subset.chosen]
            right[number] = trainer.evaluation(ids, tests).right
            advance(1)
    return Results(
        tables={"accuracy": summary(subsets, right, context.seed)},
        rows={
            "models": [
                {
                    "method": s.method, "end": s.end, "fraction": s.fraction, "draw": s.draw, "instances": len(s.chosen),
                    "accuracy": float(right[n].mean()),
                }
                for n, s in enumerate(subsets)
            ]
        },
        facts={
            "pool": len(pool), "tests": len(tests), "queries": len(context.queries), "models": len(subsets),
            **majority([test.label for test in tests]),
        },
        notes=[
            "intervals are over test instances; those of random subsets over the mean of their draws on each test instance",
            "beside random subsets, the second interval is over their draws: it holds 0 where one more might do as well",
        ],
    )  # fmt: skip


def majority(labels: Sequence[int | None]) -> dict[str, float]:
    """Accuracy of one answer to all tests, the most frequent label; nothing where there are no labels."""
    counts = Counter(label for label in labels if label is not None)
    return {"majority": round(max(counts.values()) / len(labels), 4)} if counts else {}


def drawn_pool(count: int, wanted: int, seed: int) -> Rows:
    """Positions of the instances that take part."""
    if not 0 < wanted < count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:wanted])


def parts(context: Context, config: Config, rows: Rows) -> Iterator[Subset]:
    """The whole pool, both ends of every ranking, and random parts; rankings are by position in the pool."""
    n = len(rows)
    yield Subset(WHOLE, "", 1.0, 0, np.arange(n))
    chance = np.random.default_rng(context.seed)
    for draw in range(config.seeds):
        shuffled = chance.permutation(n)
        for fraction in config.fractions:
            yield Subset(RANDOM, "", fraction, draw, np.sort(shuffled[: size(n, fraction)]))
    for method in config.methods or default_methods(context):
        ranking = order(rank_sums(context, method, rows))
        for fraction in config.fractions:
            yield Subset(method, "most", fraction, 0, np.sort(ranking[: size(n, fraction)]))
            yield Subset(method, "least", fraction, 0, np.sort(ranking[n - size(n, fraction) :]))


def default_methods(context: Context) -> tuple[str, ...]:
    """The first instance method, and NA-Instances where the index has neurons."""
    methods = context.methods
    return tuple(dict.fromkeys([methods[0], *(method for method in methods if method == "na-instances")]))


def size(n: int, fraction: float) -> int:
    """Instances of a part."""
    return max(1, round(n * fraction))


def summary(subsets: Sequence[Subset], right: dict[int, NDArray[np.bool_]], seed: int) -> list[Row]:
    """Accuracy of each kind of subset, and its difference to random subsets of the same size.

    "above random" is paired over test instances; "above draws" holds how much random subsets differ among themselves.
    """
    groups: dict[tuple[str, str, float], list[NDArray[np.float64]]] = {}
    for number, subset in enumerate(subsets):
        key = (subset.method, subset.end, subset.fraction)
        groups.setdefault(key, []).append(right[number].astype(np.float64))
    means = {key: np.mean(values, axis=0) for key, values in groups.items()}
    table = []
    for (method, end, fraction), values in means.items():
        about = {"method": method, "end": end, "fraction": fraction}
        table.append({**about, "measure": "accuracy", **mean_interval(values, seed).columns()})
        random = means.get((RANDOM, "", fraction))
        if random is not None and method != RANDOM:
            table.append({**about, "measure": "above random", **mean_interval(values - random, seed).columns()})
            draws = [each.mean() for each in groups[(RANDOM, "", fraction)]]
            table.append({**about, "measure": "above draws", **above_draws(values.mean(), draws).columns()})
    return table
