"""Mislabelled instances: how well self-influence, loss and neighbours find labels that are known to be wrong.

Either a boolean column of the index says which labels were flipped, or the study flips some itself: it takes a part of the
corpus, gives a known share another label, trains the model on that and indexes it.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attridex.client.calls import Query
from attridex.client.client import Client
from attridex.client.errors import UsageError
from attridex.client.studies.finetune_subsets import drawn_pool
from attridex.client.workbench.context import Context, NotPossibleError, fingerprint
from attridex.client.workbench.methods import NA, arguments
from attridex.client.workbench.results import Results, Row
from attridex.client.workbench.retrained import configuration, retraining
from attridex.client.workbench.statistics import auc, disagreement, interval_of

if TYPE_CHECKING:
    from attridex.indexer.config import Config as IndexConfig

NAME = "mislabel"
TITLE = "Finding wrong labels"
BOOTSTRAP = 500
CHUNK = 32
MARK = "flipped"
"""Column of the study's own corpus."""


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        column: boolean column of the index that says which labels are wrong; where empty the study flips labels itself.
        share: of labels that it flips.
        pool: training instances that it takes, drawn by the seed; 0 takes all.
        neighbours: instances whose labels are compared with an instance's own.
        methods: how neighbours are found; gradients of the given label would find only instances of the same label.
    """

    column: str = ""
    share: float = 0.1
    pool: int = 1000
    neighbours: int = 10
    methods: tuple[str, ...] = ("rep-sim", NA)


def run(context: Context, config: Config) -> Results:
    """Score every instance by how suspicious it is, and see whether the wrong ones come first."""
    if config.column:
        return measure(context, context.client, config, config.column, {})
    index, facts = flipped_index(context, config)
    with Client.local(index) as client:
        return measure(context, client, config, MARK, facts)


def measure(context: Context, client: Client, config: Config, column: str, facts: dict[str, Any]) -> Results:
    """All signals on an index with a column that tells the wrong labels."""
    info = client.get_index()
    if column not in info.columns:
        raise UsageError(f"[{NAME}] column = {column!r}: no such column; the index has {', '.join(info.columns)}")
    influences = [name for name in info.columns if name.startswith("self_influence")]
    instances = list(client.list_instances(fields=[column, "label", "loss", *influences]))
    wrong = np.array([is_wrong(each.fields[column], column) for each in instances])
    signals = {name: [float(each.fields[name]) for each in instances] for name in ("loss", *influences)}
    labels = {each.id: str(each.fields["label"]) for each in instances}
    known = {*info.methods, *([NA] if info.manifest["neurons"] else [])}
    for method in config.methods:
        if method in known:
            signals[f"neighbours by {method}"] = disagreements(context, client, method, labels, config.neighbours)
    chance = random.Random(context.seed)
    signals["random"] = [chance.random() for _ in instances]
    rows = [
        {"id": each.id, "wrong": bool(wrong[at]), **{name: float(values[at]) for name, values in signals.items()}}
        for at, each in enumerate(instances)
    ]
    return Results(
        tables={MARK: [row for name, values in signals.items() for row in figures(name, np.array(values), wrong, context.seed)]},
        rows={"instances": rows},
        facts={"instances": len(instances), "wrong": int(wrong.sum()), **facts},
        notes=["precision is the share of wrong labels among the highest scores, as many as there are wrong ones"],
    )


def is_wrong(value: Any, column: str) -> bool:
    """Whether an instance's label is marked as wrong."""
    if value not in (True, False):
        raise UsageError(f"[{NAME}] column = {column!r}: it holds {value!r}; a column of true and false is needed")
    return bool(value)


def figures(name: str, values: Any, wrong: Any, seed: int) -> list[Row]:
    """AUC and precision of a signal, with intervals over instances."""

    def precision(chosen: Any) -> float:
        count = int(wrong[chosen].sum())
        top = chosen[np.argsort(-values[chosen], kind="stable")[:count]]
        return float(wrong[top].mean()) if count else float("nan")

    def area(chosen: Any) -> float:
        return auc(values[chosen], wrong[chosen])

    return [
        {"method": name, "measure": what, **interval_of(statistic, len(wrong), seed, BOOTSTRAP).columns()}
        for what, statistic in (("auc", area), ("precision", precision))
    ]


def disagreements(context: Context, client: Client, method: str, labels: Mapping[str, str], k: int) -> list[float]:
    """For each instance the share of its nearest others with another label; 0 for one without neighbours."""
    ids = list(labels)
    k = min(k + 1, len(ids))
    found = []
    with context.progress(f"mislabel: neighbours by {method}", len(ids), "instances") as advance:
        for start in range(0, len(ids), CHUNK):
            queries = [Query.instance(identity) for identity in ids[start : start + CHUNK]]
            if method == NA:
                answer = client.find_instances_by_neurons(queries, k=k)
            else:
                answer = client.attribute_instances(queries, k=k, **arguments(method, context.seed))
            for result in answer.results:
                others = [labels[hit.id] for hit in result.hits if hit.id != result.query_id][: k - 1]
                found.append(disagreement(labels[result.query_id], others))
            advance(len(queries))
    return found


def flipped_index(context: Context, config: Config) -> tuple[Path, dict[str, Any]]:
    """Flip labels of a part of the corpus, train on it and index it, or take up what an earlier run left."""
    from attridex.indexer.building.build import build

    trained = configuration(context)
    if trained.model.task == "causal-lm":
        raise NotPossibleError(f"[{NAME}]: a causal language model has no labels to flip; name a column that tells wrong targets")
    trainer = retraining(context, trained)
    ids = sorted(trainer.instances)
    ids = [ids[at] for at in drawn_pool(len(ids), config.pool, context.seed)]
    flips = flipped(
        {one: label_of(trainer.instances[one]) for one in ids}, outputs_of(trainer.instances), config.share, context.seed
    )
    context.say(f"{NAME}: training on {len(ids)} instances, {len(flips)} of them with another label")
    model = trainer.model(ids, flips)
    directory = context.work(f"{NAME}/{fingerprint([ids, flips])[:16]}")
    directory.mkdir(parents=True, exist_ok=True)
    build(noisy(trained, directory, model, ids, flips), directory / "index", show_progress=not context.quiet)
    return directory / "index", {"flipped_share": config.share}


def label_of(instance: Any) -> int:
    """The label as an output's number."""
    return int(instance.label)


def outputs_of(instances: Mapping[str, Any]) -> dict[str, int]:
    """Number of outputs that each instance decides between."""
    return {identity: len(each.outputs) for identity, each in instances.items()}


def flipped(labels: Mapping[str, int], outputs: Mapping[str, int], share: float, seed: int) -> dict[str, int]:
    """New labels for a share of the instances, drawn by the seed: any output but the right one."""
    chance = random.Random(seed)
    chosen = chance.sample(sorted(labels), round(share * len(labels)))
    return {one: (labels[one] + chance.randrange(1, outputs[one])) % outputs[one] for one in sorted(chosen)}


def noisy(trained: "IndexConfig", directory: Path, model: Path, ids: Sequence[str], flips: Mapping[str, int]) -> "IndexConfig":
    """Write the corpus with its wrong labels, and say how to index it: as the index itself is, with gradients of the head."""
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


def noisy_records(trained: "IndexConfig", ids: set[str], flips: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The chosen records of the corpus, flipped ones with their new label."""
    from attridex.indexer.corpus.reading import read_records

    identity = trained.corpus.id
    for number, record in enumerate(read_records(trained.corpus)):
        one = str(record.values[identity]) if identity else str(number)
        if one in ids:
            values = {**record.values, identity or "id": one, MARK: one in flips}
            yield {**values, trained.corpus.label: flips[one]} if one in flips else values
