"""Linear datamodelling score: how well a method's scores foretell, by rank, the losses of models retrained on random halves.

For each query, the LDS is Spearman's correlation over the halves S between -loss(query) of the model trained on S and the sum
over S of the method's scores (Park et al. 2023, arXiv 2303.14186). The head alone is retrained, to its optimum on the states of
the index's model, or the whole model from its pretrained weights.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.client.errors import UsageError
from attridex.client.figures.numbers import count, number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, pick, pivot
from attridex.client.studies.base import METHOD, Contents, KeyNumber, Study, highest, leaders, measured_rows
from attridex.client.workbench import heads
from attridex.client.workbench.context import LANGUAGE_TASKS, MANY_ANSWERS, Asked, Context, NotPossibleError, fingerprint
from attridex.client.workbench.ranking import Rows, drawn_pool
from attridex.client.workbench.resampling import Agreements, agreements
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.retrained import majority_share, retraining, training_configuration
from attridex.client.workbench.scores import Scores, all_scores, save_array
from attridex.client.workbench.statistics import Float64, Row
from attridex.indexer.ranks import spearman

if TYPE_CHECKING:
    from attridex.indexer.training.evaluation import Evaluation

Retrain = Callable[[Rows, int], "Evaluation"]
"""Trains on a half, named by positions in the pool, with one of several seeds; gives losses [q] and who is right [q]."""
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


class States(NamedTuple):
    """What the head reads of texts [n, J, h], and their labels [n]."""

    states: NDArray[np.float32]
    labels: NDArray[np.int64]


def run_lds(context: Context, config: LdsSettings) -> Findings:
    """Retrain on halves, and hold every method's sums against the losses."""
    if config.halves < 2:
        raise UsageError(f"[lds] halves = {config.halves}: at least 2 are needed to be ranked")
    language = context.index.task in LANGUAGE_TASKS
    check_retrained(context.index.task, config.retrain)
    queries = [query for query in context.queries if language or query.record.get(context.corpus["label"]) is not None]
    if not queries:
        raise NotPossibleError("[lds]: no query has a label that the model knows, so there is no loss to foretell")
    instances = list(context.client.list_instances(fields=["id"]))
    pool = drawn_pool(len(instances), config.pool, context.seed)
    ids, rows = [instances[at].id for at in pool], np.array([instances[at].row for at in pool], np.int64)
    chance = np.random.default_rng(context.seed)
    halves = [np.sort(chance.permutation(len(pool))[: max(1, len(pool) // 2)]) for _ in range(config.halves)]
    head = config.retrain == "head"
    retrain = head_retraining(context, ids, queries, config.ridge) if head else model_retraining(context, ids, queries)
    seeds, said = 1 if head else context.seeds, []  # a head's optimum has no chance
    total = seeds * len(halves)
    with context.progress(f"lds: retraining {'the head ' * head}on halves", total, f"{config.retrain}s") as advance:
        for again in range(seeds):
            for half in halves:
                said.append(retrain(half, again))
                advance(1)
    actual = np.stack([each.losses for each in said]).reshape(seeds, len(halves), -1)
    foretold = {}
    for method in context.methods:
        scores = all_scores(context, method, "gold", queries, "labelled")
        foretold[method.name] = sums_over_halves(scores[:, rows], halves)
    found = {method: np.mean([correlations(sums, each) for each in actual], axis=0) for method, sums in foretold.items()}
    names = [query.id for query in queries]
    return Findings(
        tables={"lds": lds_table(agreements(foretold, -actual, context.seed))},
        rows={
            "lds": [
                {"query": name, "method": method, "lds": float(values[at])}
                for method, values in found.items() for at, name in enumerate(names)
            ]
        },
        facts={
            "queries": len(queries), "halves": len(halves), "seeds": seeds, "pool": len(pool), "retrain": config.retrain,
            **({} if context.index.task == "regression" else accuracy_facts(said, queries, language=language)),
        },
        notes=[
            "scores and losses are of the gold label; an instance that shares no neuron with a query adds 0 for na-instances",
            f"intervals are over {units_of(seeds, head=head)}; differences are paired over all of them",
        ],
    )  # fmt: skip


def check_retrained(task: str, retrain: str) -> None:
    """Refuse to retrain a head that is not one of labels.

    Raises:
        NotPossibleError: a language model has none, and one of numbers, or of several labels, is not fitted alone.
    """
    if retrain == "head" and task in LANGUAGE_TASKS:
        raise NotPossibleError('[lds]: a language model has no head of its own; set retrain = "model"')
    if retrain == "head" and task in MANY_ANSWERS:
        raise NotPossibleError(f'[lds]: the head of a {task} model is not fitted alone; set retrain = "model"')


def accuracy_facts(said: Sequence["Evaluation"], queries: Sequence[Asked], *, language: bool) -> dict[str, float]:
    """How often retrained models are right, and one answer to all queries would be; numbers are never quite right."""
    share = majority_share([query.gold for query in queries if not language])
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


def model_retraining(context: Context, ids: Sequence[str], queries: Sequence[Asked]) -> Retrain:
    """The whole model, trained as the index's model was; `ids` are of the pool's instances."""
    trainer = retraining(context, training_configuration(context))
    tests = [trainer.render(query.record, f"query '{query.id}'") for query in queries]
    return lambda half, again: trainer.evaluation([ids[at] for at in half], tests, again=again)


def head_retraining(context: Context, ids: Sequence[str], queries: Sequence[Asked], ridge: float) -> Retrain:
    """The head alone, trained on the states of the index's model.

    Args:
        context: the run.
        ids: of the pool's instances.
        queries: those with a label.
        ridge: penalty of the head.
    """
    from attridex.indexer.training.evaluation import Evaluation

    (states, labels), (tests, gold) = fixed_states(context, ids, queries)
    scale = float(np.sqrt((states**2).mean()))  # a factor of the states is a factor of the weights
    states, tests = states / scale, tests / scale
    outputs = 1 if states.shape[1] > 1 else len(context.index.labels)
    start = heads.fit_head(states, labels, outputs, ridge)

    def retrain(half: Rows, _again: int) -> Evaluation:
        weights = heads.fit_head(states[half], labels[half], outputs, ridge, start)
        return Evaluation(heads.head_losses(tests, gold, weights), heads.head_logits(tests, weights).argmax(1) == gold)

    return retrain


def fixed_states(context: Context, ids: Sequence[str], queries: Sequence[Asked]) -> tuple[States, States]:
    """States of instances, and of queries; kept for a rerun."""
    from attridex.indexer.config import Config as IndexConfig
    from attridex.indexer.config import stored
    from attridex.indexer.corpus.reading import rendered
    from attridex.indexer.models.renderers import make_renderer
    from attridex.indexer.training.retraining import head_states

    index = IndexConfig.model_validate(stored(context.index.manifest["config"]))
    renderer = make_renderer(index)
    wanted = set(ids)
    corpus = {each.id: each for _, each in rendered(index.corpus, renderer, labels_needed=True) if each.id in wanted}
    if missing := wanted - corpus.keys():
        raise UsageError(f"[lds]: instance '{min(missing)}' of the index is not in the corpus files any more")
    every = [*(corpus[identity] for identity in ids), *(renderer.render(q.record, f"query '{q.id}'") for q in queries)]
    path = context.work(f"lds/states-{fingerprint([[each.id, each.key] for each in every])[:16]}.npy")
    if path.exists():
        states = np.load(path)
    else:
        with context.progress("lds: states", len(every), "texts") as advance:
            states = head_states(index, every, advance)
        save_array(path, states)
    labels = np.array([each.label for each in every], np.int64)
    n = len(ids)
    return States(states[:n], labels[:n]), States(states[n:], labels[n:])


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
