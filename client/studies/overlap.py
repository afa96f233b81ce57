"""Overlap: how many different instances and neurons the methods find, and how many they share."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Annotated, Any

from attridex.client.figures.numbers import interval, number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, Table, matrix, pick, pivot
from attridex.client.records import Line
from attridex.client.studies.base import METHOD, Contents, KeyNumber, Study, highest, measured_rows
from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import NA, NA_INSTANCES, StudyMethod, method_name
from attridex.client.workbench.neurons import neurons_of
from attridex.client.workbench.requests import instances_request
from attridex.client.workbench.results import Findings, Meaning, StudyResult
from attridex.client.workbench.statistics import Row, interval_of, mean_columns, rounded, shared
from attridex.v1.answers import InstancesAnswer
from attridex.v1.neurons import Neuron

Lists = Mapping[str, Mapping[str, Sequence[Any]]]
"""method -> query -> what it found, best first."""


@dataclass(frozen=True)
class OverlapSettings:
    """Settings."""

    k: Annotated[int, "training instances a query"] = 10
    r: Annotated[int, "neurons a query, for overlaps and the histogram of layers"] = 10


@dataclass(frozen=True)
class FoundInstances:
    """Ids of the best instances of each query by one method, and what its scores mean."""

    ids: Mapping[str, Sequence[str]]
    meaning: Meaning


def run_overlap(context: Context, config: OverlapSettings) -> Findings:
    """Top instances and top neurons of every query by every method."""
    k = min(config.k, context.index.instances)
    found = {method.name: found_instances(context, method, k) for method in context.methods}
    instances = {name: each.ids for name, each in found.items()}
    neurons = found_neurons(context, config.r)
    first = {method: {query: found[:1] for query, found in lists.items()} for method, lists in neurons.items()}
    queries = [query.id for query in context.queries]
    return Findings(
        tables={
            "unique_instances": unique_rows(instances, queries, context.seed),
            "shared_instances": pair_rows(instances, queries, context.seed),
            "unique_top_neurons": unique_rows(first, queries, context.seed),
            "shared_neurons": pair_rows(neurons, queries, context.seed),
            "layers": layer_rows(neurons, context.index.layers),
        },
        rows={
            "instances": [{"query": q, "method": m, "ids": list(lists[q])} for m, lists in instances.items() for q in queries],
            "neurons": [
                {"query": q, "method": m, "neurons": [neuron.name for neuron in lists[q]]}
                for m, lists in neurons.items() for q in queries
            ],
        },
        methods={name: each.meaning for name, each in found.items()},
        facts={"queries": len(queries), "k": k, "r": config.r},
    )  # fmt: skip


def found_instances(context: Context, method: StudyMethod, k: int) -> FoundInstances:
    """The k best instances by one method."""
    lines = context.ask(
        f"overlap/{method.path}", context.queries,
        lambda batch: instances_request(context, method, batch, k=k, label=context.label),
        id_lines, settings={"method": method.name, "k": k, "label": context.label},
    )  # fmt: skip
    return FoundInstances({line["query"]: line["ids"] for line in lines}, Meaning(lines[0]["sign"], lines[0]["scale"]))


def id_lines(answer: InstancesAnswer) -> Iterator[Line]:
    """One line a query: ids of its hits."""
    for result in answer.results:
        ids = [hit.id for hit in result.hits]
        yield {"query": result.query_id, "ids": ids, "sign": answer.info.sign, "scale": answer.info.scale}


def found_neurons(context: Context, r: int) -> Mapping[str, Mapping[str, Sequence[Neuron]]]:
    """The r top neurons by NA, and by IA-Neurons of each instance method; none where the index has none."""
    if not context.index.manifest["neurons"]:
        return {}
    named = neurons_of(context)
    return {method.name: {query: found[:r] for query, found in each.neurons.items()} for method, each in named.items()}


def unique_rows(lists: Lists, queries: Sequence[str], seed: int) -> list[Row]:
    """How many different ones stand in a method's lists over all queries, and as a share of all places."""
    table: list[Row] = []
    for method, found in lists.items():

        def share(chosen: Any, found: Mapping[str, Sequence[Any]] = found) -> float:
            places = [each for at in chosen for each in found[queries[at]]]
            return len(set(places)) / len(places) if places else float("nan")

        count = len({each for query in queries for each in found[query]})
        interval = interval_of(share, len(queries), seed, 500, centred=True, most=1.0)
        table.append({"method": method, "unique": count, **interval.columns()})
    return table


def pair_rows(lists: Lists, queries: Sequence[str], seed: int) -> list[Row]:
    """Mean |A and B| / |A| over queries, for each ordered pair of methods."""
    return [
        {"a": a, "b": b, **mean_columns([shared(lists[a][q], lists[b][q]) for q in queries], seed)}
        for a, b in permutations(lists, 2)
    ]


def layer_rows(lists: Lists, count: int) -> list[Row]:
    """Share of a method's neurons that lie in each layer."""
    table: list[Row] = []
    for method, queries in lists.items():
        held = Counter(neuron.layer for neurons in queries.values() for neuron in neurons)
        total = max(1, sum(held.values()))
        table += [{"method": method, "layer": at, "share": rounded(held[at] / total), "n": held[at]} for at in range(count)]
    return table


def overlap_section(result: StudyResult, palette: Palette) -> Contents:
    """Pairs of methods, unique ones, layers."""
    from attridex.client.figures.bars import layer_histograms
    from attridex.client.figures.drawing import picture
    from attridex.client.figures.heat import Heat, heat_maps

    k, r = number(result.facts["k"]), number(result.facts["r"])
    both = (("instances", k, result.rows("shared_instances")), ("neurons", r, result.rows("shared_neurons")))
    held = [(what, size, rows) for what, size, rows in both if rows]
    pictures, tables = [], []
    if held:
        pictures.append(picture(
            "overlap", heat_maps([Heat(f"Top {size} {what}: share of A in B", rows) for what, size, rows in held]),
            "Heat maps of what each pair of methods shares, instances and neurons.",
            "Row A, column B: the share of what A finds that B finds too, mean over queries. 1 is everything, 0 nothing.",
        ))  # fmt: skip
    for name, what in (("unique_instances", f"top {k} instances"), ("unique_top_neurons", "top neuron")):
        if rows := result.rows(name):
            tables.append(unique_table(rows, f"Different ones over all queries, of each query\u2019s {what}"))
    for what, _, rows in held:
        tables.append(matrix(rows, f"Shared {what}: share of A\u2019s (rows) that B (columns) finds too", method_name))
    if rows := result.rows("layers"):
        pictures.append(picture(
            "overlap-layers", layer_histograms(rows, palette, NA.name),
            "Histograms of the layers that the top neurons of each method lie in.",
            f"In which layers the top {r} neurons of all queries lie. Dotted outline: NA, to compare with.",
        ))  # fmt: skip
        tables.append(layer_table(rows))
    return Contents(pictures, tables)


def layer_table(rows: Sequence[Row]) -> Table:
    """Shares of layers, with how many neurons they are: n is a count of its own here, not of units behind a mean."""
    counted = [{**{key: value for key, value in row.items() if key != "n"}, "held": row["n"]} for row in rows]
    return pivot(
        counted, METHOD, Axis("layer", "layer", lambda layer: f"layer {layer}"), "Share of neurons in each layer (and how many)",
        text=lambda row: f"{number(row['share'])} ({number(row['held'])})", folded=True,
    )  # fmt: skip


def unique_table(rows: Sequence[Row], caption: str) -> Table:
    """How many different ones, and their share of all places."""
    long = [{**row, "what": what} for row in rows for what in ("different", "share")]
    names = {"different": "different ones", "share": "share of all places"}
    return pivot(
        long, METHOD, Axis("what", "", names.__getitem__), caption,
        text=lambda row: number(row["unique"]) if row["what"] == "different" else interval(row),
    )  # fmt: skip


def overlap_key_numbers(result: StudyResult) -> Iterator[KeyNumber]:
    """What NA-Instances shares with the instance method that is nearest to it; alike states attribute nothing."""
    rows = pick(measured_rows(result, "shared_instances"), a=NA_INSTANCES.name)
    rows = [row for row in rows if row["b"] != "rep-sim" and not result.is_baseline(row["b"])]
    if rows:
        nearest, k = highest(rows), result.facts["k"]
        yield KeyNumber.of(
            nearest, f"of NA-Instances\u2019 top {k} are found by {method_name(nearest['b'])} too, the nearest method"
        )


STUDY = Study(
    name="overlap",
    title="Overlap of instances and neurons",
    measured="Do two methods find the same things? For every query the top training instances (and the top neurons) of one"
    " method are compared with those of another: the share of A\u2019s that B finds too, averaged over queries. Few "
    "unique ones over all queries mean that a method names the same instances or neurons whatever is asked.",
    published="instance attribution and neuron attribution find largely different instances and neurons.",
    settings=OverlapSettings,
    run=run_overlap,
    section=overlap_section,
    key_numbers=overlap_key_numbers,
    order=20,
    every_query=True,
)
