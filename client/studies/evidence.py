"""Evidence for single answers: the text, what stands behind it by every method, its neurons, and what editing them does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from attridex.client.output import instance_lines
from attridex.client.studies.base import Study
from attridex.client.studies.evidence_section import TEXTS, evidence_section
from attridex.client.workbench.context import Asked, Context, Line, Record
from attridex.client.workbench.markers import decode
from attridex.client.workbench.methods import NA, StudyMethod
from attridex.client.workbench.requests import instances_request, neurons_request
from attridex.client.workbench.results import Findings, write_json
from attridex.client.workbench.statistics import Row
from attridex.v1.answers import NeuronsAnswer, PredictAnswer
from attridex.v1.requests import Intervention, PredictRequest, as_queries

OF_HITS = ("rank", "id", "score")
"""Keys of a hit that are no fields of the instance."""


@dataclass(frozen=True)
class EvidenceSettings:
    """Settings."""

    queries: Annotated[int, "how many get a page"] = 12
    k: Annotated[int, "instances shown for each method"] = 5
    r: Annotated[int, "neurons shown"] = 30
    sizes: Annotated[tuple[int, ...], "how many top neurons are suppressed and kept"] = (1, 10)


def run_evidence(context: Context, config: EvidenceSettings) -> Findings:
    """Gather the evidence of the first queries."""
    asked = context.queries[: config.queries]
    texts: dict[str, Any] = {f"query {query.id}": without_id(query.record) for query in asked}
    pages = answer_rows(context, config, asked)
    hits: list[Row] = []
    for method in context.methods:
        for line in shown_instances(context, config, asked, method):
            for hit in line["hits"]:
                texts[hit["id"]] = {key: decode(value) for key, value in hit.items() if key not in OF_HITS}
                hits.append({"query": line["query"], "method": method.name, **{key: hit[key] for key in OF_HITS}})
    write_json(context.out / STUDY.name / TEXTS, texts)
    return Findings(
        tables={"pages": pages, "hits": hits, "neurons": neuron_rows(context, config, asked)} if asked else {},
        facts={"queries": len(asked), "layers": context.index.layers, "units": context.index.units},
    )


def without_id(record: Record) -> Record:
    """A query's fields, without its id."""
    return {key: value for key, value in record.items() if key != "id"}


def answer_rows(context: Context, config: EvidenceSettings, asked: Sequence[Asked]) -> list[Row]:
    """One row a query: what the model says, plain and with its top neurons suppressed or kept."""
    edits: tuple[Intervention, ...] = ()
    if context.index.manifest["neurons"]:
        edits = tuple(Intervention(mode, r=r, name=f"{mode} {r}") for mode in ("suppress", "keep") for r in config.sizes)
    found = context.ask(
        "evidence/predictions", asked, lambda batch: PredictRequest(as_queries(batch), edits), answer_lines,
        settings={"sizes": list(config.sizes)},
    )  # fmt: skip
    gold = {query.id: query.gold for query in asked}
    return [{**line, "gold": gold[line["query"]]} for line in found]


def answer_lines(answer: PredictAnswer) -> Iterator[Line]:
    """One line a query: what the model says, and under each edit."""
    for result in answer.results:
        base = result.baseline
        label = base.predicted or next(iter(base.probabilities))
        yield {
            "query": result.query_id, "predicted": base.predicted or base.greedy, "probability": base.probabilities[label],
            "loss": base.loss,
            "edits": [
                {"name": each.name, "predicted": each.predicted or each.greedy, "probability": each.probabilities[label]}
                for each in result.interventions
            ],
        }  # fmt: skip


def shown_instances(context: Context, config: EvidenceSettings, asked: Sequence[Asked], method: StudyMethod) -> list[Line]:
    """Top instances with their texts.

    Args:
        context: the run.
        config: settings.
        asked: the queries.
        method: by which.
    """
    k = min(config.k, context.index.instances)
    fields = list(dict.fromkeys([*context.index.manifest["corpus"]["text_fields"], "label", *context.corpus["metadata"]]))
    return context.ask(
        f"evidence/{method.path}", asked,
        lambda batch: instances_request(context, method, batch, k=k, label=context.label, fields=fields),
        instance_lines, settings={"method": method.name, "k": k, "label": context.label},
    )  # fmt: skip


def neuron_rows(context: Context, config: EvidenceSettings, asked: Sequence[Asked]) -> list[Row]:
    """Top neurons of each query."""
    if not context.index.manifest["neurons"]:
        return []
    found = context.ask(
        "evidence/neurons", asked, lambda batch: neurons_request(context, NA, batch, r=config.r, instances=1),
        neuron_lines, settings={"r": config.r},
    )  # fmt: skip
    return [
        {"query": line["query"], "rank": rank, "layer": layer, "unit": unit, "score": score}
        for line in found for rank, (layer, unit, score) in enumerate(line["neurons"], 1)
    ]  # fmt: skip


def neuron_lines(answer: NeuronsAnswer) -> Iterator[Line]:
    """One line a query: its neurons as (layer, unit, score)."""
    for result in answer.results:
        yield {"query": result.query_id, "neurons": [[each.layer, each.unit, each.score] for each in result.neurons]}


STUDY = Study(
    name="evidence",
    title="Evidence for single answers",
    measured="For single queries: what the model says, the training instances that each method puts first, the neurons "
    "that raise the probability of the answer most (NA), and what becomes of that probability when they are "
    "suppressed or kept alone.",
    settings=EvidenceSettings,
    run=run_evidence,
    section=evidence_section,
    order=0,
    closes_page=True,
    template="report_evidence.html",
)
