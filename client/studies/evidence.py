"""Evidence for single answers: the text, what stands behind it by every method, its neurons, and what editing them does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from attridex.client import calls
from attridex.client.calls import Intervention
from attridex.client.output import instance_lines
from attridex.client.workbench.context import Asked, Context
from attridex.client.workbench.markers import decode
from attridex.client.workbench.methods import instances_request, neurons_request
from attridex.client.workbench.results import Results, Row, write_json
from attridex.v1 import attribution_pb2 as pb

NAME = "evidence"
TITLE = "Evidence for single answers"
TEXTS = "texts.json"
"""Texts of queries and instances, apart from the results: data of others that results must not carry."""


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        queries: how many get a page.
        k: instances shown for each method.
        r: neurons shown.
        sizes: how many top neurons are suppressed and kept.
    """

    queries: int = 12
    k: int = 5
    r: int = 30
    sizes: tuple[int, ...] = (1, 10)


def run(context: Context, config: Config) -> Results:
    """Gather the evidence of the first queries."""
    asked = context.queries[: config.queries]
    texts: dict[str, Any] = {f"query {query.id}": shown(query.record) for query in asked}
    pages = answers(context, config, asked)
    hits: list[Row] = []
    for method in context.methods:
        for line in instances(context, config, asked, method):
            for hit in line["hits"]:
                texts[hit["id"]] = {key: decode(value) for key, value in hit.items() if key not in ("rank", "id", "score")}
                hits.append({"query": line["query"], "method": method, **{key: hit[key] for key in ("rank", "id", "score")}})
    write_json(context.out / NAME / TEXTS, texts)
    return Results(
        tables={"pages": pages, "hits": hits, "neurons": neurons(context, config, asked)} if asked else {},
        facts={"queries": len(asked), "layers": context.index.layers, "units": context.index.units},
    )


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """A query's fields, without its id."""
    return {key: value for key, value in record.items() if key != "id"}


def answers(context: Context, config: Config, asked: tuple[Asked, ...]) -> list[Row]:
    """One row a query: what the model says, plain and with its top neurons suppressed or kept."""
    edits = []
    if context.index.manifest["neurons"]:
        edits = [Intervention(mode, r=r, name=f"{mode} {r}") for mode in ("suppress", "keep") for r in config.sizes]

    def lines(answer: Any) -> Iterator[dict[str, Any]]:
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

    def build(batch: list[dict[str, Any]]) -> pb.AttributeStreamRequest:
        return pb.AttributeStreamRequest(predict=calls.predict("", batch, interventions=edits))

    found = context.ask("evidence/predictions", asked, build, lines, settings={"sizes": list(config.sizes)})
    gold = {query.id: query.gold for query in asked}
    return [{**line, "gold": gold[line["query"]]} for line in found]


def instances(context: Context, config: Config, asked: tuple[Asked, ...], method: str) -> list[dict[str, Any]]:
    """Top instances with their texts."""
    k = min(config.k, context.index.instances)
    fields = list(dict.fromkeys([*context.index.manifest["corpus"]["text_fields"], "label", *context.corpus["metadata"]]))
    return context.ask(
        f"evidence/{method.replace('/', '-')}", asked,
        lambda batch: instances_request(method, batch, k=k, label=context.label, seed=context.seed, fields=fields),
        instance_lines, settings={"method": method, "k": k, "label": context.label},
    )  # fmt: skip


def neurons(context: Context, config: Config, asked: tuple[Asked, ...]) -> list[Row]:
    """Top neurons of each query."""
    if not context.index.manifest["neurons"]:
        return []

    def lines(answer: Any) -> Iterator[dict[str, Any]]:
        for result in answer.results:
            yield {"query": result.query_id, "neurons": [[each.layer, each.unit, each.score] for each in result.neurons]}

    found = context.ask(
        "evidence/neurons", asked,
        lambda batch: neurons_request("na", batch, r=config.r, label=context.label, seed=context.seed, instances=1),
        lines, settings={"r": config.r},
    )  # fmt: skip
    return [
        {"query": line["query"], "rank": rank, "layer": layer, "unit": unit, "score": score}
        for line in found for rank, (layer, unit, score) in enumerate(line["neurons"], 1)
    ]  # fmt: skip
