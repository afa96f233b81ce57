"""Evidence for single answers: the text, what stands behind it by every method, its neurons, and what editing them does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from attridex.client.figures.numbers import number
from attridex.client.figures.palette import Palette
from attridex.client.figures.records import Records, Shown
from attridex.client.figures.tables import distinct, pick
from attridex.client.output import instance_lines
from attridex.client.records import Line
from attridex.client.studies.base import Contents, Study
from attridex.client.workbench.context import Asked, Context
from attridex.client.workbench.markers import decode
from attridex.client.workbench.methods import NA, StudyMethod
from attridex.client.workbench.requests import instances_request, neurons_request
from attridex.client.workbench.results import Findings, StudyResult, read_object, write_json
from attridex.client.workbench.statistics import Row
from attridex.v1.answers import NeuronsAnswer, NeuronScore, PredictAnswer
from attridex.v1.neurons import NeuronLayout
from attridex.v1.requests import Intervention, PredictRequest, as_queries

if TYPE_CHECKING:
    from markupsafe import Markup

TEXTS = "texts.json"
"""Texts of queries and instances, apart from the results: data of others that results must not carry."""
NO_TEXTS = "Texts are not part of these results; instances and queries are shown by their ids."
OF_HITS = ("rank", "id", "score")
"""Keys of a hit that are no fields of the instance."""
PLACE = ("layer", "unit", "expert")
"""What the numbers of a neuron are; an FFN's that every token passes have no expert."""


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
    texts = {f"query {query.id}": {key: value for key, value in query.record.items() if key != "id"} for query in asked}
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
        facts={"queries": len(asked), **layout_facts(context.index.layout)},
    )


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


def layout_facts(layout: NeuronLayout) -> dict[str, Any]:
    """How many neurons there are; experts only where there are any."""
    return {name: size for name, size in asdict(layout).items() if size}


def neuron_rows(context: Context, config: EvidenceSettings, asked: Sequence[Asked]) -> list[Row]:
    """Top neurons of each query."""
    if not context.index.manifest["neurons"]:
        return []
    found = context.ask(
        "evidence/neurons", asked, lambda batch: neurons_request(context, NA, batch, r=config.r, instances=1),
        neuron_lines, settings={"r": config.r},
    )  # fmt: skip
    return [
        {"query": line["query"], "rank": rank, **dict(zip(PLACE, numbers, strict=False)), "score": score}
        for line in found for rank, (*numbers, score) in enumerate(line["neurons"], 1)
    ]  # fmt: skip


def neuron_lines(answer: NeuronsAnswer) -> Iterator[Line]:
    """One line a query: its neurons as (layer, unit, score), with the expert before the score where they have one."""
    for result in answer.results:
        yield {"query": result.query_id, "neurons": [[*each.neuron.numbers, each.score] for each in result.neurons]}


@dataclass(frozen=True)
class ShownHit:
    """A training instance that a method found."""

    id: str
    score: str
    record: Shown


@dataclass(frozen=True)
class ShownEdit:
    """An edit of the top neurons and what the model then says."""

    name: str
    predicted: str
    probability: float
    change: float
    flipped: bool


@dataclass(frozen=True)
class ShownAnswer:
    """A query with its evidence.

    Attributes:
        right: whether the prediction is the gold label; None where there is none.
        found: method and its hits, best first.
        map: the neurons as SVG; None where there are none.
    """

    id: str
    record: Shown
    predicted: str
    probability: float
    loss: float | None
    gold: str
    right: bool | None
    found: tuple[tuple[str, tuple[ShownHit, ...]], ...]
    neurons: tuple[NeuronScore, ...]
    map: "Markup | None"
    edits: tuple[ShownEdit, ...]


def evidence_section(result: StudyResult, palette: Palette) -> Contents:
    """All queries; the page's own template shows them."""
    path = result.directory / TEXTS if result.directory else None
    texts = read_object(path) if path and path.exists() else {}
    records = Records(texts, tuple(result.index.text_fields))
    found = tuple(shown_answer(page, result, records) for page in result.rows("pages"))
    links = [(f"query-{at}-evidence", answer.id) for at, answer in enumerate(found, 1)]
    return Contents(links=links, shown={"answers": found, **({} if texts else {"missing": NO_TEXTS})})


def shown_answer(page: Row, result: StudyResult, records: Records) -> ShownAnswer:
    """One query."""
    name, gold = page["query"], page.get("gold")
    own = tuple(scored_neuron(row) for row in pick(result.rows("neurons"), query=name))
    return ShownAnswer(
        id=name, record=records.of(f"query {name}"),
        predicted=str(page["predicted"]), probability=page["probability"], loss=page.get("loss"),
        gold="" if gold is None else str(gold), right=None if gold is None else is_right(page, result),
        found=found_by(pick(result.rows("hits"), query=name), records), neurons=own,
        map=drawn_map(own, name, result.facts) if own else None,
        edits=tuple(shown_edit(each, page) for each in page.get("edits", [])),
    )  # fmt: skip


def scored_neuron(row: Row) -> NeuronScore:
    """A neuron of a row; one without an expert is an FFN's that every token passes."""
    expert = row.get("expert")
    return NeuronScore(row["layer"], row["unit"], row["score"], expert=None if expert is None else int(expert))


def is_right(page: Row, result: StudyResult) -> bool:
    """Whether the prediction is the gold label, or one of the outputs that it stands for in this run."""
    gold = str(page["gold"])
    return page["predicted"] in result.common.get("same", {}).get(gold, (gold,))


def found_by(hits: Sequence[Row], records: Records) -> tuple[tuple[str, tuple[ShownHit, ...]], ...]:
    """Methods, each with its hits."""
    return tuple(
        (method, tuple(ShownHit(hit["id"], number(hit["score"]), records.of(hit["id"])) for hit in pick(hits, method=method)))
        for method in distinct(hits, "method")
    )


def drawn_map(neurons: Sequence[NeuronScore], query: str, size: Mapping[str, Any]) -> "Markup":
    """The map of a query's neurons."""
    from attridex.client.figures.neuron_map import neuron_map

    label = f"The {len(neurons)} top neurons of query {query} by layer and unit; their scores are listed below"
    return neuron_map(neurons, layout_of(size), label)


def layout_of(facts: Mapping[str, Any]) -> NeuronLayout:
    """The inverse of `layout_facts`."""
    sizes: dict[str, Any] = {each.name: facts[each.name] for each in fields(NeuronLayout) if each.name in facts}
    lists = {name: tuple(size) for name, size in sizes.items() if isinstance(size, list)}
    return NeuronLayout(**(sizes | lists))


def shown_edit(found: Row, page: Row) -> ShownEdit:
    """An edit beside the unedited answer: "suppress 10" is "top 10 suppressed"."""
    mode, _, size = found["name"].partition(" ")
    neurons = "neuron" if size == "1" else f"{size} neurons"
    name = f"only the top {neurons} kept" if mode == "keep" else f"top {neurons} suppressed"
    changed = found["predicted"] != page["predicted"]
    return ShownEdit(name, str(found["predicted"]), found["probability"], found["probability"] - page["probability"], changed)


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
