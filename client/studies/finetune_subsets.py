"""Fine-tuning on influential instances: is a model trained on the most (or least) influential part better than on a random one?

All training instances are ranked by a method's sums of ranks over the queries; the pretrained model is trained on the top and the
bottom of that ranking and on random subsets of the same size, and tested on the same held-out instances.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.client.figures.numbers import count, number
from attridex.client.figures.palette import INK, Look, Palette
from attridex.client.figures.tables import Axis, distinct, pick, pivot
from attridex.client.studies.base import Contents, Study
from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import NA_INSTANCES, StudyMethod, chosen, method_name
from attridex.client.workbench.ranking import Rows, drawn_pool, order, rank_sums
from attridex.client.workbench.resampling import crossed_interval
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.retrained import majority_share, retraining, test_records, training_configuration
from attridex.client.workbench.statistics import Row, above_draws

if TYPE_CHECKING:
    from attridex.client.figures.drawing import Picture

RANDOM, WHOLE = "random", "whole pool"
MOST, LEAST = "most", "least"
CAPTIONS = {
    "accuracy": "Test accuracy",
    "above random": "Accuracy above random subsets of the same size, paired over test instances",
    "above draws": "The same, with the interval that one more random subset would lie in; n is random subsets",
}


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings."""

    methods: Annotated[
        tuple[str, ...], "whose rankings are trained on; the run's first instance method and NA-Instances where empty"
    ] = ()
    fractions: Annotated[tuple[float, ...], "of the pool, from either end of the ranking"] = (0.1, 0.3, 0.5, 0.7, 0.9)
    seeds: Annotated[int, "random subsets of each size"] = 3
    pool: Annotated[int, "training instances that are ranked and trained on, drawn by the seed; 0 takes all"] = 0
    tests: Annotated[str, "file of test instances, beside the settings file; the training's first test file where empty"] = ""
    count: Annotated[int, "test instances, drawn by the seed; 0 takes all"] = 500


class Part(NamedTuple):
    """What a subset is of; random ones of one size share it."""

    method: str
    end: str
    fraction: float


@dataclass(frozen=True)
class Subset:
    """A part of the pool that a model is trained on."""

    part: Part
    draw: int
    chosen: Rows


def run_finetune_subsets(context: Context, config: FinetuneSettings) -> Findings:
    """Rank, train on every part, and set each beside random parts of its size."""
    trained = training_configuration(context)
    records = test_records(context, trained, config.tests, config.count, "[finetune-subsets]")
    trainer = retraining(context, trained)
    tests = [trainer.render(record, where) for record, where in records]
    instances = list(context.client.list_instances(fields=["id"]))
    pool = drawn_pool(len(instances), config.pool, context.seed)
    rows = np.array([instances[at].row for at in pool], np.int64)
    subsets = list(drawn_subsets(context, config, rows))
    right: list[NDArray[np.bool_]] = []
    with context.progress("finetune-subsets: training", len(subsets) * context.seeds, "models") as advance:
        for subset in subsets:
            ids, trainings = [instances[pool[at]].id for at in subset.chosen], []
            for again in range(context.seeds):
                trainings.append(trainer.evaluation(ids, tests, again=again).right)
                advance(1)
            right.append(np.stack(trainings))
    return Findings(
        tables={"accuracy": accuracy_table(subsets, right, context.seed)},
        rows={
            "models": [
                {
                    **one.part._asdict(), "draw": one.draw, "training": again, "instances": len(one.chosen),
                    "accuracy": float(found.mean()),
                }
                for one, trainings in zip(subsets, right, strict=True) for again, found in enumerate(trainings)
            ]
        },
        facts={
            "pool": len(pool), "tests": len(tests), "queries": len(context.queries),
            "models": len(subsets) * context.seeds, "seeds": context.seeds,
            "accuracy_of_pool": round(float(right[0].mean()), 4), **majority_share([test.label for test in tests]),
        },
        notes=[
            f"intervals are over test instances, draws of random subsets and {count(context.seeds, 'training seed')}"
            + "; one has no chance of its own in them (--seeds 2)" * (context.seeds == 1),
            "beside random subsets, the second interval is over their draws: it holds 0 where one more might do as well",
        ],
    )  # fmt: skip


def drawn_subsets(context: Context, config: FinetuneSettings, rows: Rows) -> Iterator[Subset]:
    """The whole pool, both ends of every ranking, and random parts; rankings are by position in the pool."""
    n = len(rows)
    yield Subset(Part(WHOLE, "", 1.0), 0, np.arange(n))
    chance = np.random.default_rng(context.seed)
    for draw in range(config.seeds):
        shuffled = chance.permutation(n)
        for fraction in config.fractions:
            yield Subset(Part(RANDOM, "", fraction), draw, np.sort(shuffled[: part_size(n, fraction)]))
    for method in ranked_by(context, config):
        ranking = order(rank_sums(context, method, rows))
        for fraction in config.fractions:
            yield Subset(Part(method.name, MOST, fraction), 0, np.sort(ranking[: part_size(n, fraction)]))
            yield Subset(Part(method.name, LEAST, fraction), 0, np.sort(ranking[n - part_size(n, fraction) :]))


def ranked_by(context: Context, config: FinetuneSettings) -> tuple[StudyMethod, ...]:
    """The methods wanted, or the first instance method, and NA-Instances where the index has neurons."""
    if config.methods:
        return tuple(map(StudyMethod.parse, config.methods))
    methods = context.methods
    return tuple(dict.fromkeys([methods[0], *(method for method in methods if method == NA_INSTANCES)]))


def check_methods(context: Context, config: FinetuneSettings) -> None:
    """Refuse methods that the index cannot answer."""
    chosen(config.methods, context.index)


def part_size(n: int, fraction: float) -> int:
    """Instances of a part."""
    return max(1, round(n * fraction))


def accuracy_table(subsets: Sequence[Subset], right: Sequence[NDArray[np.bool_]], seed: int) -> list[Row]:
    """Accuracy of each kind of subset, and its difference to random subsets of the same size.

    "above random" is paired over test instances and training seeds; "above draws" holds how much random subsets differ among
    themselves.

    Args:
        subsets: that were trained on.
        right: of each subset, who is right with each training seed [seeds, tests].
        seed: of the resampling.
    """
    groups: dict[Part, list[NDArray[np.float64]]] = {}
    for subset, found in zip(subsets, right, strict=True):
        groups.setdefault(subset.part, []).append(np.atleast_2d(found).astype(np.float64))
    drawn = {part: np.stack(values) for part, values in groups.items()}  # [draws, seeds, tests]
    table: list[Row] = []
    for part, values in drawn.items():
        about, beside = part._asdict(), Part(RANDOM, "", part.fraction)
        table.append({**about, "measure": "accuracy", **crossed_interval(values, seed).columns()})
        if beside in drawn and part.method != RANDOM:
            table.append({**about, "measure": "above random", **crossed_interval(values - drawn[beside], seed).columns()})
            table.append({**about, "measure": "above draws", **above_draws(values.mean(), drawn[beside].mean((1, 2))).columns()})
    return table


def finetune_section(result: StudyResult, palette: Palette) -> Contents:
    """Accuracy of models trained on parts."""
    rows = result.rows("accuracy")
    sizes = distinct([row for row in rows if row["method"] != WHOLE], "fraction")
    accuracy = pick(rows, measure="accuracy")
    drawn = one_size(accuracy, palette) if len(sizes) == 1 else all_sizes(accuracy, sizes, palette)
    named = [{**row, "part": part_name(row)} for row in sorted(rows, key=lambda row: row["method"] == WHOLE)]
    down = Axis("part", "trained on")
    across = Axis("fraction", "share", lambda share: f"{number(100 * share)} %")
    return Contents(
        [drawn], [pivot(found, down, across, text) for what, text in CAPTIONS.items() if (found := pick(named, measure=what))]
    )


def part_name(row: Row) -> str:
    """What a model was trained on."""
    return f"{row['end']} influential by {method_name(row['method'])}" if row["end"] else method_name(row["method"])


def one_size(rows: Sequence[Row], palette: Palette) -> "Picture":
    """Where all parts are of one size: a dot with its interval for each part, random subsets as a band."""
    from attridex.client.figures.bars import Panel, capital, dot_panels
    from attridex.client.figures.drawing import picture

    own = [row for row in rows if row["method"] != RANDOM]
    labels = [capital(part_name(row)) for row in own]
    panel = Panel(own, label="test accuracy", labels=labels, references=pick(rows, method=RANDOM))
    return picture(
        "finetune-subsets-one-size", dot_panels([panel], palette.adding({WHOLE: Look(INK)})),
        "A dot with its interval of the test accuracy of each part, beside random subsets.",
        "Dotted line and grey band: random subsets of the same size, the mean of their draws. Lines and band are 95 % bootstrap "
        "intervals over test instances, draws and training seeds.",
    )  # fmt: skip


def all_sizes(rows: Sequence[Row], sizes: Sequence[float], palette: Palette) -> "Picture":
    """Accuracy against the share of instances trained on: both ends of each ranking, random subsets, the whole pool."""
    from attridex.client.figures.drawing import new_figure, picture, styled
    from attridex.client.figures.lines import band, curve, legend, per_cent

    with styled():
        figure = new_figure(4.4)
        axes = figure.subplots()
        axes.grid(axis="y")
        for row in pick(rows, method=WHOLE):
            axes.axhline(row["mean"], color=INK, ls=":", lw=1.4, label=WHOLE)
        if random := by_fraction(pick(rows, method=RANDOM)):
            band(axes, [row["fraction"] for row in random], random, "random subsets")
        for method in distinct(rows, "method"):
            for end, line in ((MOST, "-"), (LEAST, "-.")):
                if own := by_fraction(pick(rows, method=method, end=end)):
                    name = f"{method_name(method)}, {end} influential"
                    curve(axes, [row["fraction"] for row in own], own, palette.look(method), name, line=line)
        per_cent(axes, sorted(sizes))
        axes.set(xlabel="share of the pool trained on", ylabel="test accuracy", ylim=(-0.03, 1.03))
        legend(figure, axes, 3)
    return picture(
        "finetune-subsets", figure,
        "Line chart of test accuracy against the share of training instances, for the most and the least influential by each "
        "method, beside random subsets and the whole pool.",
        "Solid: the most influential; dash-dotted: the least. Grey: random subsets of the same size. Dotted: the whole pool. "
        "Bands are 95 % bootstrap intervals over test instances, draws and training seeds.",
    )  # fmt: skip


def by_fraction(rows: Sequence[Row]) -> list[Row]:
    """Rows from the smallest part to the largest."""
    return sorted(rows, key=lambda row: float(row["fraction"]))


STUDY = Study(
    name="finetune-subsets",
    title="Fine-tuning on influential instances",
    measured="The pretrained model is trained anew on the instances that a method ranks highest (most) or lowest (least), and on "
    "random subsets of the same size; all are tested on the same held-out instances. A ranking is useful for choosing data only "
    "where it leaves the random subsets behind.",
    published="influential subsets do no better than random ones of the same size.",
    settings=FinetuneSettings,
    run=run_finetune_subsets,
    section=finetune_section,
    check=check_methods,
    facts={
        "tests": lambda n: count(n, "test instance"),
        "models": lambda n: f"{count(n, 'model')} trained",
        "seeds": lambda n: count(n, "training seed"),
        "majority": lambda share: f"always the most frequent label: {number(share)}",
        "accuracy_of_pool": lambda share: f"trained on the whole pool: {number(share)}",
    },
    order=80,
)
