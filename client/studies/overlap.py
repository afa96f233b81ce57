"""Overlap: how many different instances and neurons the methods find, and how many they share."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import instances_request
from attridex.client.workbench.neurons import neurons_of
from attridex.client.workbench.results import Results, Row
from attridex.client.workbench.statistics import interval_of, mean_interval, rounded, shared

NAME = "overlap"
TITLE = "Overlap of instances and neurons"
Lists = Mapping[str, Mapping[str, Sequence[Any]]]
"""method -> query -> what it found, best first."""


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        k: training instances a query.
        r: neurons a query, for overlaps and the histogram of layers.
    """

    k: int = 10
    r: int = 10


def run(context: Context, config: Config) -> Results:
    """Top instances and top neurons of every query by every method."""
    k = min(config.k, context.index.instances)
    instances, words = found_instances(context, k)
    neurons = found_neurons(context, config.r)
    queries = [query.id for query in context.queries]
    return Results(
        tables={
            "unique_instances": unique(instances, queries, context.seed),
            "shared_instances": pairs(instances, queries, context.seed),
            "unique_top_neurons": unique(first(neurons), queries, context.seed),
            "shared_neurons": pairs(neurons, queries, context.seed),
            "layers": layers(neurons, context.index.layers),
        },
        rows={
            "instances": [{"query": q, "method": m, "ids": list(lists[q])} for m, lists in instances.items() for q in queries],
            "neurons": [
                {"query": q, "method": m, "neurons": [f"{layer}-{unit}" for layer, unit in lists[q]]}
                for m, lists in neurons.items() for q in queries
            ],
        },
        methods=words,
        facts={"queries": len(queries), "k": k, "r": config.r},
    )  # fmt: skip


def found_instances(context: Context, k: int) -> tuple[dict[str, dict[str, list[str]]], dict[str, dict[str, str]]]:
    """Ids of the k best instances by each method, and what the scores mean."""
    found, words = {}, {}
    for method in context.methods:
        lines = context.ask(
            f"overlap/{method.replace('/', '-')}", context.queries,
            lambda batch, method=method: instances_request(  # type: ignore[misc]
                method, batch, k=k, label=context.label, seed=context.seed
            ),
            id_lines, settings={"method": method, "k": k, "label": context.label},
        )  # fmt: skip
        found[method] = {line["query"]: line["ids"] for line in lines}
        words[method] = {"sign": lines[0]["sign"], "scale": lines[0]["scale"]}
    return found, words


def id_lines(answer: Any) -> Iterator[dict[str, Any]]:
    """One line a query: ids of its hits."""
    for result in answer.results:
        ids = [hit.id for hit in result.hits]
        yield {"query": result.query_id, "ids": ids, "sign": answer.info.sign, "scale": answer.info.scale}


def found_neurons(context: Context, r: int) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """The r top neurons by NA, and by IA-Neurons of each instance method; none where the index has none."""
    if not context.index.manifest["neurons"]:
        return {}
    named, _ = neurons_of(context)
    return {method: {query: found[:r] for query, found in queries.items()} for method, queries in named.items()}


def first(lists: Lists) -> Lists:
    """The best of each list alone."""
    return {method: {query: found[:1] for query, found in queries.items()} for method, queries in lists.items()}


def unique(lists: Lists, queries: Sequence[str], seed: int) -> list[Row]:
    """How many different ones stand in a method's lists over all queries, and as a share of all places."""
    table = []
    for method, found in lists.items():

        def share(chosen: Any, found: Mapping[str, Sequence[Any]] = found) -> float:
            places = [each for at in chosen for each in found[queries[at]]]
            return len(set(places)) / len(places) if places else float("nan")

        count = len({each for query in queries for each in found[query]})
        interval = interval_of(share, len(queries), seed, 500, centred=True, most=1.0)
        table.append({"method": method, "unique": count, **interval.columns()})
    return table


def pairs(lists: Lists, queries: Sequence[str], seed: int) -> list[Row]:
    """Mean |A and B| / |A| over queries, for each ordered pair of methods."""
    return [
        {"a": a, "b": b, **mean_interval([shared(lists[a][q], lists[b][q]) for q in queries], seed).columns()}
        for a, b in permutations(lists, 2)
    ]


def layers(lists: Lists, count: int) -> list[Row]:
    """Share of a method's neurons that lie in each layer."""
    table = []
    for method, queries in lists.items():
        held = Counter(layer for neurons in queries.values() for layer, _ in neurons)
        total = max(1, sum(held.values()))
        table += [{"method": method, "layer": at, "share": rounded(held[at] / total), "n": held[at]} for at in range(count)]
    return table
