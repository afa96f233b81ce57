"""Mislabelled instances: how well self-influence, loss and neighbours find labels that are known to be wrong.

Either a boolean column of the index says which labels were flipped, or the study flips some itself: it takes a part of the
corpus, gives a known share another label, trains the model on that and indexes it.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.client.client import Client
from attridex.client.errors import UsageError
from attridex.client.figures.numbers import count
from attridex.client.figures.palette import BLACK, BLUE, REFERENCE, Look, Palette
from attridex.client.figures.tables import Axis, pick, pivot
from attridex.client.studies.base import Contents, KeyNumber, Study, highest, leaders, measured_rows
from attridex.client.workbench.context import Context, NotPossibleError, fingerprint
from attridex.client.workbench.fitness import fit_facts
from attridex.client.workbench.methods import NA_INSTANCES, Kind, StudyMethod, method_name
from attridex.client.workbench.ranking import drawn_pool
from attridex.client.workbench.requests import instances_request
from attridex.client.workbench.resampling import grouped_interval
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.retrained import retraining, training_configuration
from attridex.client.workbench.statistics import Float64, Interval, Row, auc, disagreement, interval_of
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.v1.requests import Query

if TYPE_CHECKING:
    from attridex.indexer.config import Config as IndexConfig
    from attridex.indexer.config import CorpusConfig
    from attridex.indexer.corpus.instances import RenderedInstance

BOOTSTRAP = 500
CHUNK = 32
MARK = "flipped"
"""Column of the study's own corpus."""
RANDOM = "random"
NAMES = {"auc": "AUC", "precision": "precision"}


@dataclass(frozen=True)
class MislabelSettings:
    """Settings."""

    column: Annotated[
        str, "boolean column of the index that says which labels are wrong; where empty the study flips labels itself"
    ] = ""
    share: Annotated[float, "of labels that it flips"] = 0.1
    pool: Annotated[int, "training instances that it takes, drawn by the seed; 0 takes all"] = 1000
    neighbours: Annotated[int, "instances whose labels are compared with an instance's own"] = 10
    methods: Annotated[
        tuple[str, ...], "how neighbours are found; gradients of the given label would find only instances of the same label"
    ] = ("rep-sim", NA_INSTANCES.name)


class Suspected(NamedTuple):
    """Instances of an index, which of them are labelled wrongly [n], and by each signal how suspicious they are [n]."""

    ids: list[str]
    wrong: NDArray[np.bool_]
    signals: Mapping[str, Float64]
    fit: Mapping[str, Any]


def run_mislabel(context: Context, config: MislabelSettings) -> Findings:
    """Score every instance by how suspicious it is, and see whether the wrong ones come first."""
    if config.column:
        return suspected_findings(context, [suspected(context, context.client, config, config.column)], {})
    draws = []
    for again in range(context.seeds):
        with Client.local(flipped_index(context, config, again)) as client:
            draws.append(suspected(context, client, config, MARK))
    return suspected_findings(context, draws, {"flipped_share": config.share, "seeds": context.seeds})


def suspected_findings(context: Context, draws: Sequence[Suspected], more: Mapping[str, float]) -> Findings:
    """Figures of all signals over draws of wrong labels."""
    table = [row for name in draws[0].signals for row in signal_rows(name, draws, context.seed)]
    rows = [
        {"id": one, "draw": number, "wrong": bool(draw.wrong[at]), **{name: float(own[at]) for name, own in draw.signals.items()}}
        for number, draw in enumerate(draws) for at, one in enumerate(draw.ids)
    ]  # fmt: skip
    units = f"instances and {len(draws)} draws of wrong labels, each with a training seed" if len(draws) > 1 else "instances"
    alone = "; the one draw of wrong labels and its training have no chance of their own in them (--seeds 2)"
    return Findings(
        tables={MARK: table},
        rows={"instances": rows},
        facts={"instances": len(draws[0].ids), "wrong": int(draws[0].wrong.sum()), **more, **draws[0].fit},
        notes=[
            "precision is the share of wrong labels among the highest scores, as many as there are wrong ones",
            f"intervals are over {units}{alone * ('seeds' in more and len(draws) == 1)}",
        ],
    )


def suspected(context: Context, client: Client, config: MislabelSettings, column: str) -> Suspected:
    """All signals on an index with a column that tells the wrong labels.

    Args:
        context: the run.
        client: asks the index that has the column.
        config: settings.
        column: tells the wrong labels.
    """
    info = client.get_index()
    if column not in info.columns:
        raise UsageError(f"[mislabel] column = {column!r}: no such column; the index has {', '.join(info.columns)}")
    influences = [name for name in info.columns if name.startswith("self_influence")]
    instances = list(client.list_instances(fields=[column, "label", "loss", *influences]))
    wrong = np.array([is_wrong(each.fields[column], column) for each in instances])
    signals = {name: [float(each.fields[name]) for each in instances] for name in ("loss", *influences)}
    labels = {each.id: str(each.fields["label"]) for each in instances}
    known = {*info.methods, *([NA_INSTANCES.name] if info.manifest["neurons"] else [])}
    for method in (StudyMethod.parse(name).used_for(Kind.NEIGHBOURS) for name in config.methods if name in known):
        signals[method.name] = neighbour_disagreements(context, client, method, labels, config.neighbours)
    chance = random.Random(context.seed)
    signals[RANDOM] = [chance.random() for _ in instances]
    return Suspected(
        list(labels), wrong, {name: np.array(values, np.float64) for name, values in signals.items()}, fit_facts(info.manifest)
    )


def is_wrong(value: Any, column: str) -> bool:
    """Whether an instance's label is marked as wrong."""
    if value not in (True, False):
        raise UsageError(f"[mislabel] column = {column!r}: it holds {value!r}; a column of true and false is needed")
    return bool(value)


def signal_rows(name: str, draws: Sequence[Suspected], seed: int) -> list[Row]:
    """AUC and precision of a signal, with intervals over instances, and over draws where there are several.

    Args:
        name: of the signal.
        draws: of wrong labels.
        seed: of the resampling.
    """

    def precision(draw: int, chosen: Any) -> float:
        values, wrong = draws[draw].signals[name][chosen], draws[draw].wrong[chosen]
        count = int(wrong.sum())
        return float(wrong[np.argsort(-values, kind="stable")[:count]].mean()) if count else float("nan")

    def area(draw: int, chosen: Any) -> float:
        return auc(draws[draw].signals[name][chosen], draws[draw].wrong[chosen])

    return [
        {"method": name, "measure": what, **over_draws(statistic, draws, seed).columns()}
        for what, statistic in (("auc", area), ("precision", precision))
    ]


def over_draws(statistic: Callable[[int, Any], float], draws: Sequence[Suspected], seed: int) -> Interval:
    """A statistic of a draw's instances, over all draws."""
    sizes = [len(draw.ids) for draw in draws]
    if len(draws) == 1:
        return interval_of(lambda chosen: statistic(0, chosen), sizes[0], seed, BOOTSTRAP)
    return grouped_interval(statistic, sizes, seed, BOOTSTRAP)


def neighbour_disagreements(
    context: Context, client: Client, method: StudyMethod, labels: Mapping[str, str], k: int
) -> list[float]:
    """For each instance the share of its nearest others with another label; 0 for one without neighbours.

    Args:
        context: the run.
        client: asks the index.
        method: how neighbours are found.
        labels: of each instance, by id.
        k: neighbours of an instance.
    """
    ids = list(labels)
    k = min(k + 1, len(ids))
    found = []
    with context.progress(f"mislabel: {method.name}", len(ids), "instances") as advance:
        for start in range(0, len(ids), CHUNK):
            queries = [Query.instance(identity) for identity in ids[start : start + CHUNK]]
            request = instances_request(context, method.used_for(Kind.PLAIN), queries, k=k, label=None)
            for result in client.send(request).results:
                others = [labels[hit.id] for hit in result.hits if hit.id != result.query_id][: k - 1]
                found.append(disagreement(labels[result.query_id], others))
            advance(len(queries))
    return found


def flipped_index(context: Context, config: MislabelSettings, again: int = 0) -> Path:
    """Flip labels of a part of the corpus, train on it and index it, or take up what is left of a run; `again` counts draws."""
    from attridex.indexer.building.build import build

    trained = training_configuration(context)
    if trained.model.task in LANGUAGE_TASKS:
        raise NotPossibleError("[mislabel]: a language model has no labels to flip; name a column that tells wrong targets")
    trainer = retraining(context, trained)
    ids = sorted(trainer.instances)
    ids = [ids[at] for at in drawn_pool(len(ids), config.pool, context.seed)]
    labels = {one: label for one in ids if (label := trainer.instances[one].label) is not None}
    outputs = {identity: len(each.outputs) for identity, each in trainer.instances.items()}
    flips = flipped_labels(labels, outputs, config.share, context.seed + again)
    context.say(f"mislabel: training on {len(ids)} instances, {len(flips)} of them with another label")
    model = trainer.model(ids, flips, again)
    directory = context.work(f"mislabel/{fingerprint([ids, flips, again] if again else [ids, flips])[:16]}")
    directory.mkdir(parents=True, exist_ok=True)
    new = {one: relabelling(trainer.instances[one], trained.corpus, flips[one]) for one in flips}
    build(noisy_config(trained, directory, model, ids, new), directory / "index", show_progress=not context.quiet)
    return directory / "index"


def flipped_labels(labels: Mapping[str, int], outputs: Mapping[str, int], share: float, seed: int) -> dict[str, int]:
    """New labels for a share of the instances, drawn by the seed: any output but the right one.

    Args:
        labels: output of each instance, by id.
        outputs: how many outputs each instance decides between.
        share: how many get another label.
        seed: of the drawing.
    """
    chance = random.Random(seed)
    chosen = chance.sample(sorted(labels), round(share * len(labels)))
    return {one: (labels[one] + chance.randrange(1, outputs[one])) % outputs[one] for one in sorted(chosen)}


def relabelling(instance: "RenderedInstance", corpus: "CorpusConfig", label: int) -> Row:
    """Columns of a record that give it another label; choices lose labels of their own, by which a number might mean another."""
    if corpus.choices in instance.fields:
        return {corpus.choices: instance.fields[corpus.choices], corpus.label: label}
    return {corpus.label: instance.outputs[label]}


def noisy_config(
    trained: "IndexConfig", directory: Path, model: Path, ids: Sequence[str], flips: Mapping[str, Row]
) -> "IndexConfig":
    """Write the corpus with its wrong labels, and say how to index it: as the index itself is, with gradients of the head.

    Args:
        trained: the configuration of the index.
        directory: where the corpus is written.
        model: trained on the wrong labels.
        ids: instances that take part.
        flips: columns that give a record its new label, by id.
    """
    from attridex.indexer.config import GradientsConfig

    corpus = directory / "train.jsonl"
    records = noisy_records(trained, set(ids), flips)
    corpus.write_text("".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records), encoding="utf-8")
    return trained.model_copy(
        update={
            "model": trained.model.model_copy(update={"path": str(model), "checkpoints": [], "checkpoint_rates": []}),
            "corpus": trained.corpus.model_copy(
                update={"files": [str(corpus)], "dataset": None, "metadata": [MARK], "id": trained.corpus.id or "id"}
            ),
            "gradients": GradientsConfig(parameters="head", curvature=["fisher"]),
        }
    )


def noisy_records(trained: "IndexConfig", ids: set[str], flips: Mapping[str, Row]) -> Iterator[Mapping[str, Any]]:
    """The chosen records of the corpus, flipped ones with their new label."""
    from attridex.indexer.corpus.reading import read_records

    identity = trained.corpus.id
    for number, record in enumerate(read_records(trained.corpus, trained.model.task)):
        one = str(record.values.get(identity)) if identity else str(number)
        if one in ids:
            values = {**record.values, identity or "id": one, MARK: one in flips}
            yield {**values, **flips.get(one, {})}


def mislabel_section(result: StudyResult, palette: Palette) -> Contents:
    """AUC and precision."""
    from attridex.client.figures.bars import Panel, bar_panels
    from attridex.client.figures.drawing import picture

    rows, facts = result.rows(MARK), result.facts
    base = facts["wrong"] / facts["instances"] if facts.get("wrong") and facts.get("instances") else None
    panels = [
        Panel(pick(rows, measure="auc"), "AUC", chance=0.5, shares=True),
        Panel(pick(rows, measure="precision"), "Precision at the number of wrong labels", chance=base, shares=True),
    ]
    looks = palette.adding({"loss": Look(BLACK, "X"), "self_influence": Look(BLUE, "D"), RANDOM: REFERENCE})
    drawn = picture(
        "mislabel", bar_panels(panels, looks),
        "Bars of AUC and precision of each signal at finding wrong labels.",
        "Dotted: chance, which is 0.5 for AUC and the share of wrong labels for precision. Lines are 95 % bootstrap intervals "
        "over instances, and over draws of wrong labels where there are several.",
    )  # fmt: skip
    down, across = Axis("method", "signal", method_name), Axis("measure", "", lambda measure: NAMES.get(measure, measure))
    return Contents([drawn], [pivot(rows, down, across, "Finding wrong labels")])


def mislabel_key_numbers(result: StudyResult) -> Iterator[KeyNumber]:
    """The best signal."""
    rows = [row for row in pick(measured_rows(result, MARK), measure="auc") if row["method"] != RANDOM]
    if rows:
        yield KeyNumber.of(highest(rows), f"AUC at finding wrong labels by the best signal, {leaders(rows)} (chance 0.5)")


STUDY = Study(
    name="mislabel",
    title="Finding wrong labels",
    measured="A known part of the labels is wrong. Each signal ranks all instances by how suspicious they look; the AUC is"
    " the chance that a wrongly labelled instance looks more suspicious than a rightly labelled one. 0.5 is "
    "chance, 1 is perfect.",
    settings=MislabelSettings,
    run=run_mislabel,
    section=mislabel_section,
    key_numbers=mislabel_key_numbers,
    facts={"seeds": lambda n: f"{count(n, 'draw')} of wrong labels, each with a training seed"},
    order=70,
)
