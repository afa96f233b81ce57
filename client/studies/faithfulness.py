"""Faithfulness: does suppressing the neurons that a method names change the prediction, does keeping only them preserve it?

Comprehensiveness (`suppress`) sets the top r neurons to 0 at the position that the head reads; sufficiency (`keep`) sets all
others to 0 there, in every layer. r = 0 says how much the intervention alone does.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.client import calls
from attridex.client.calls import Intervention
from attridex.client.errors import UsageError
from attridex.client.workbench.context import Context
from attridex.client.workbench.neurons import NEURONS, Pair, neurons_of
from attridex.client.workbench.results import Results, Row
from attridex.client.workbench.statistics import mean_interval
from attridex.v1 import attribution_pb2 as pb

NAME = "faithfulness"
TITLE = "Faithfulness of neurons"
MODES = ("suppress", "keep")
RANDOM = "random"


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        sizes: how many neurons are suppressed or kept; 0 is always among them.
        draws: sets of random neurons.
    """

    sizes: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 50, 100)
    draws: int = 3


def run(context: Context, config: Config) -> Results:
    """Neurons by each method, then every prediction under every intervention."""
    sizes = sorted({0, *config.sizes})
    if sizes[-1] > NEURONS:
        raise UsageError(f"[{NAME}] sizes: at most {NEURONS} neurons, {sizes[-1]} are asked for")
    named, words = neurons_of(context)
    draws = random_neurons(context, sizes[-1], config.draws)
    sets = {query.id: {**{name: named[name][query.id] for name in named}, **draws[query.id]} for query in context.queries}
    rows = predictions(context, sets, sizes, f"{sizes}/{config.draws}/{list(named)}")
    return Results(
        tables={"faithfulness": summary(rows, context.seed)},
        rows={"predictions": rows},
        methods=words,
        facts={"queries": len(context.queries), "random_draws": config.draws},
        notes=short_sets(rows),
    )


def random_neurons(context: Context, r: int, draws: int) -> dict[str, dict[str, list[Pair]]]:
    """Sets of r distinct neurons anywhere in the model, for each query, by its id and the seed."""
    layers, units = context.index.layers, context.index.units
    r = min(r, layers * units)
    found: dict[str, dict[str, list[Pair]]] = {}
    for query in context.queries:
        chance = random.Random(f"{context.seed}/{query.id}")
        sets = [chance.sample(range(layers * units), r) for _ in range(draws)]
        found[query.id] = {f"{RANDOM}#{draw}": [divmod(one, units) for one in drawn] for draw, drawn in enumerate(sets)}
    return found


def predictions(
    context: Context, sets: Mapping[str, Mapping[str, Sequence[Pair]]], sizes: Sequence[int], settings: str
) -> list[Row]:
    """One row for each query, method, mode and r."""

    def build(batch: list[dict[str, Any]]) -> pb.AttributeStreamRequest:
        request = calls.predict("", batch, interventions=interventions(sets[str(batch[0]["id"])], sizes))
        return pb.AttributeStreamRequest(predict=request)

    lines = context.ask("interventions", context.queries, build, edited_lines, settings={"edits": settings}, chunk=1)
    return [{"query": line["query"], **row} for line in lines for row in line["edits"]]


def interventions(sets: Mapping[str, Sequence[Pair]], sizes: Sequence[int]) -> list[Intervention]:
    """All of a query's interventions; r = 0 is the same for every method and asked once."""
    made = [Intervention(mode, [], name="any|0") for mode in MODES]
    for method, neurons in sets.items():
        made += [Intervention(mode, list(neurons[:r]), name=f"{method}|{r}") for mode in MODES for r in sizes if r and neurons]
    return made


def edited_lines(answer: Any) -> Iterator[dict[str, Any]]:
    """One line a query: for each intervention whether the prediction stayed, and by how much its probability fell."""
    for result in answer.results:
        base = result.baseline
        # A language model has one output, the target; its prediction is what it would have said.
        said = base.predicted or base.greedy
        label = base.predicted or next(iter(base.probabilities))
        edits = []
        for edited in result.interventions:
            method, _, r = edited.name.partition("|")
            edits.append({
                "method": method, "mode": edited.mode, "r": int(r), "used": len(edited.neurons),
                "unchanged": (edited.predicted or edited.greedy) == said,
                "drop": base.probabilities[label] - edited.probabilities[label],
            })  # fmt: skip
        yield {"query": result.query_id, "edits": edits}


def summary(rows: Sequence[Row], seed: int) -> list[Row]:
    """Share of unchanged predictions and mean drop of probability, with intervals over queries; draws are averaged first."""
    groups: dict[tuple[str, str, int], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["method"].partition("#")[0], row["mode"], row["r"]][row["query"]].append(row)
    table = []
    for (method, mode, r), queries in groups.items():
        for measure in ("unchanged", "drop"):
            values = [sum(float(row[measure]) for row in draws) / len(draws) for draws in queries.values()]
            used = [row["used"] for draws in queries.values() for row in draws]
            figures = mean_interval(values, seed).columns()
            table.append({"method": method, "mode": mode, "r": r, "measure": measure, **figures, "used": sum(used) / len(used)})
    return table


def short_sets(rows: Sequence[Row]) -> list[str]:
    """Says where methods had fewer neurons to name than were asked for."""
    largest = max((row["r"] for row in rows), default=0)
    notes = []
    for method in dict.fromkeys(row["method"] for row in rows if row["r"] == largest):
        used = [row["used"] for row in rows if row["method"] == method and row["r"] == largest]
        if sum(used) < largest * len(used):
            mean = sum(used) / len(used)
            notes.append(f"{method} names fewer than {largest} neurons for some queries: {mean:.1f} on average at r = {largest}")
    return notes
