"""Linear datamodelling score: how well a method's scores foretell, by rank, the losses of models retrained on random halves.

For each query, the LDS is Spearman's correlation over the halves S between -loss(query) of the model trained on S and the sum
over S of the method's scores (Park et al. 2023, arXiv 2303.14186). The head alone is retrained, to its optimum on the states of
the index's model, or the whole model from its pretrained weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from attridex.client.errors import UsageError
from attridex.client.figures.numbers import count, number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, pick, pivot
from attridex.client.studies.base import METHOD, Contents, KeyNumber, Study, highest, leaders, measured_rows
from attridex.client.studies.halves import Pool, check_retrained, head_retraining, model_retraining, retrained
from attridex.client.workbench.context import Asked, Context, NotPossibleError
from attridex.client.workbench.ranking import Rows
from attridex.client.workbench.resampling import Agreements, agreements
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.retrained import majority_share
from attridex.client.workbench.scores import Scores, all_scores
from attridex.client.workbench.statistics import Float64, Row
from attridex.indexer.ranks import spearman
from attridex.indexer.task_kinds import LANGUAGE_TASKS

if TYPE_CHECKING:
    from attridex.indexer.training.evaluation import Evaluation

REFERENCE = "grad-dot"
"""What the other methods are held against."""


@dataclass(frozen=True)
class LdsSettings:
    """Settings."""

    retrain: Annotated[
        Literal["head", "model"], "`head`, to its optimum on fixed states, or `model`, as the index's model was trained"
    ] = "head"
    halves: Annotated[int, "random halves of the pool that are retrained on"] = 100
    pool: Annotated[int, "training instances that take part, drawn by the seed; 0 takes all"] = 0
    ridge: Annotated[float, "penalty of the head, times the states' mean square"] = 1e-2


def run_lds(context: Context, config: LdsSettings) -> Findings:
    """Retrain on halves, and hold every method's sums against the losses."""
    if config.halves < 2:
        raise UsageError(f"[lds] halves = {config.halves}: at least 2 are needed to be ranked")
    check_retrained(context.index.task, config.retrain)
    queries, pool = labelled_queries(context), Pool.drawn(context, config.pool, config.halves)
    head = config.retrain == "head"
    retrain = head_retraining(context, pool.ids, queries, config.ridge) if head else model_retraining(context, pool.ids, queries)
    seeds = 1 if head else context.seeds  # a head's optimum has no chance
    said = list(retrained(context, retrain, pool.halves, seeds, config.retrain))
    actual = np.stack([each.losses for each in said]).reshape(seeds, len(pool.halves), -1)
    foretold = {}
    for method in context.methods:
        scores = all_scores(context, method, "gold", queries, "labelled")
        foretold[method.name] = sums_over_halves(scores[:, pool.rows], pool.halves)
    return Findings(
        tables={"lds": lds_table(agreements(foretold, -actual, context.seed))},
        rows={"lds": lds_rows(foretold, actual, queries)},
        facts={
            "queries": len(queries), "halves": len(pool.halves), "seeds": seeds, "pool": len(pool.ids), "retrain": config.retrain,
            **accuracy_facts(context.index.task, said, queries),
        },
        notes=[
            "scores and losses are of the gold label; an instance that shares no neuron with a query adds 0 for na-instances",
            f"intervals are over {units_of(seeds, head=head)}; differences are paired over all of them",
        ],
    )  # fmt: skip


def labelled_queries(context: Context) -> list[Asked]:
    """Queries whose loss is known: those with a label, and all of a language model.

    Raises:
        NotPossibleError: there are none.
    """
    language, label = context.index.task in LANGUAGE_TASKS, context.corpus["label"]
    queries = [query for query in context.queries if language or query.record.get(label) is not None]
    if not queries:
        raise NotPossibleError("[lds]: no query has a label that the model knows, so there is no loss to foretell")
    return queries


def lds_rows(foretold: Mapping[str, Float64], actual: Float64, queries: Sequence[Asked]) -> list[Row]:
    """The score of each query and method, as the mean over training seeds.

    Args:
        foretold: sums of each method over halves [halves, q].
        actual: losses [seeds, halves, q].
        queries: the queries.
    """
    found = {method: np.mean([correlations(sums, each) for each in actual], axis=0) for method, sums in foretold.items()}
    return [
        {"query": query.id, "method": method, "lds": float(score)}
        for method, scores in found.items() for query, score in zip(queries, scores, strict=True)
    ]  # fmt: skip


def accuracy_facts(task: str, said: Sequence["Evaluation"], queries: Sequence[Asked]) -> dict[str, float]:
    """How often retrained models are right, and one answer to all queries would be; numbers are never quite right."""
    if task == "regression":
        return {}
    share = majority_share([query.gold for query in queries if task not in LANGUAGE_TASKS])
    return {"accuracy_of_halves": round(float(np.mean([each.right.mean() for each in said])), 4), **share}


def units_of(seeds: int, *, head: bool) -> str:
    """What is resampled for an interval."""
    if seeds > 1:
        return f"queries, halves and {seeds} training seeds"
    return "queries and halves" if head else "queries and halves; one training seed has no chance of its own in them (--seeds 2)"


def sums_over_halves(found: Scores, halves: Sequence[Rows]) -> Float64:
    """What a method foretells [halves, q]: the sums of its scores [q, n] over halves; what is no hit adds nothing."""
    filled = np.nan_to_num(found.astype(np.float64), nan=0.0)
    return np.stack([filled[:, half].sum(1) for half in halves])


def correlations(sums: Float64, actual: Float64) -> Float64:
    """Spearman's rho of each query [q] between sums and -losses, both [halves, q]."""
    return np.array([spearman(sums[:, at], -actual[:, at]) for at in range(sums.shape[1])])


def lds_table(found: Agreements) -> list[Row]:
    """Mean LDS of each method, and its difference to grad-dot's, paired; a constant side counts as 0."""
    table: list[Row] = [{"method": m, "measure": "lds", **found.interval(m).columns()} for m in found.figures]
    if REFERENCE in found.figures:
        table += [
            {"method": m, "measure": f"above {REFERENCE}", **found.interval(m, REFERENCE).columns()}
            for m in found.figures if m != REFERENCE
        ]  # fmt: skip
    return table


def lds_section(result: StudyResult, palette: Palette) -> Contents:
    """Scores, and differences to the reference."""
    from attridex.client.figures.bars import Panel, bar_panels
    from attridex.client.figures.drawing import picture

    rows = result.rows("lds")
    panel = Panel(pick(rows, measure="lds"), label="linear datamodelling score (Spearman\u2019s \u03c1)", zero=True)
    drawn = picture(
        "lds", bar_panels([panel], palette),
        "Bars of the linear datamodelling score of each method.",
        "Mean over queries. Lines are 95 % bootstrap intervals over queries, halves and training seeds.",
    )  # fmt: skip
    names = {"lds": "LDS", f"above {REFERENCE}": f"above {REFERENCE}, paired"}
    across = Axis("measure", "", lambda measure: names.get(measure, measure))
    return Contents([drawn], [pivot(rows, METHOD, across, "Linear datamodelling score")])


def lds_key_numbers(result: StudyResult) -> Iterator[KeyNumber]:
    """The best method."""
    rows = [row for row in pick(measured_rows(result, "lds"), measure="lds") if row["method"] != "random"]
    if rows:
        yield KeyNumber.of(highest(rows), f"linear datamodelling score of the best method, {leaders(rows)}")


STUDY = Study(
    name="lds",
    title="Linear datamodelling score",
    measured="Models are retrained on random halves of the training data. A method\u2019s score of a query is the rank "
    "correlation, over the halves, between the loss that it foretells (the sum of its scores in the half) and the"
    " loss that was measured. 1 is perfect, 0 is no better than chance.",
    settings=LdsSettings,
    run=run_lds,
    section=lds_section,
    key_numbers=lds_key_numbers,
    facts={
        "halves": lambda n: count(n, "random half").replace("halfs", "halves"),
        "retrain": lambda what: f"retrained: {what}",
        "seeds": lambda n: count(n, "training seed"),
        "majority": lambda share: f"always the most frequent label: {number(share)}",
        "accuracy_of_halves": lambda share: f"mean accuracy of the retrained models {number(share)}",
    },
    order=60,
)
