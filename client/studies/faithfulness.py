"""Faithfulness: does suppressing the neurons that a method names change the prediction, does keeping only them preserve it?

Comprehensiveness (`suppress`) sets the top r neurons to 0 at the position that the head reads; sufficiency (`keep`) sets all
others to 0 there, in every layer. r = 0 says how much the intervention alone does.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from attridex.client.errors import UsageError
from attridex.client.figures.numbers import count
from attridex.client.records import Line, Record
from attridex.client.studies.base import Study
from attridex.client.studies.faithfulness_section import ANY, RANDOM, faithfulness_key_numbers, faithfulness_section
from attridex.client.workbench.context import Context
from attridex.client.workbench.neurons import NEURONS, neurons_of
from attridex.client.workbench.results import Findings
from attridex.client.workbench.statistics import Row, mean_columns
from attridex.v1.answers import PredictAnswer
from attridex.v1.neurons import Neuron
from attridex.v1.requests import MODES, Intervention, Mode, PredictRequest, as_queries

SIZES = (0, 1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class FaithfulnessSettings:
    """Settings."""

    sizes: Annotated[tuple[int, ...], "how many neurons are suppressed or kept; 0 is always among them"] = SIZES
    draws: Annotated[int, "sets of random neurons"] = 3


@dataclass(frozen=True)
class NeuronSet:
    """Neurons of a query, best first: those that a method names, or a draw of random ones."""

    method: str
    neurons: Sequence[Neuron]
    draw: int | None = None

    @property
    def name(self) -> str:
        """As files have it: "na", "random#0"."""
        return self.method if self.draw is None else f"{self.method}#{self.draw}"


@dataclass(frozen=True)
class SetEdit:
    """The first r of a set of neurons suppressed, or they alone kept."""

    neurons: NeuronSet
    mode: Mode
    r: int

    @property
    def intervention(self) -> Intervention:
        """As a request has it."""
        return Intervention(self.mode, self.neurons.neurons[: self.r], name=f"{self.neurons.name}|{self.r}")


class EditOutcome(NamedTuple):
    """What an edit did to the prediction, as a row of a file.

    Attributes:
        method: whose neurons, as files have it: "na", "random#0".
        used: how many neurons were edited; a set may hold fewer than r.
        unchanged: whether the prediction stayed.
        drop: by how much its probability fell.
    """

    query: str
    method: str
    mode: Mode
    r: int
    used: int
    unchanged: bool
    drop: float

    @property
    def source(self) -> str:
        """The method; all draws of random neurons are of one."""
        return self.method.partition("#")[0]


def run_faithfulness(context: Context, config: FaithfulnessSettings) -> Findings:
    """Neurons by each method, then every prediction under every intervention."""
    sizes = sorted({0, *config.sizes})
    if sizes[-1] > NEURONS:
        raise UsageError(f"[faithfulness] sizes: at most {NEURONS} neurons, {sizes[-1]} are asked for")
    named = {method.name: found for method, found in neurons_of(context).items()}
    sets = {
        query.id: [
            *(NeuronSet(name, found.neurons[query.id]) for name, found in named.items()),
            *random_sets(context, query.id, sizes[-1], config.draws),
        ]
        for query in context.queries
    }
    found = edited_predictions(context, sets, sizes, f"{sizes}/{config.draws}/{list(named)}")
    return Findings(
        tables={"faithfulness": faithfulness_table(found, context.seed)},
        rows={"predictions": [each._asdict() for each in found]},
        methods={name: each.meaning for name, each in named.items()},
        facts={"queries": len(context.queries), "random_draws": config.draws},
        notes=short_sets(found),
    )


def random_sets(context: Context, query: str, r: int, draws: int) -> Iterator[NeuronSet]:
    """Sets of r distinct neurons anywhere in the model, for a query, by its id and the seed.

    Args:
        context: the run.
        query: its id.
        r: neurons of a set.
        draws: sets.
    """
    layout = context.index.layout
    numbers = layout.numbers
    chance = random.Random(f"{context.seed}/{query}")
    for draw in range(draws):
        drawn = chance.sample(numbers, min(r, len(numbers)))
        yield NeuronSet(RANDOM, [layout.neuron(one) for one in drawn], draw)


def edited_predictions(
    context: Context, sets: Mapping[str, Sequence[NeuronSet]], sizes: Sequence[int], settings: str
) -> list[EditOutcome]:
    """Every query under every edit.

    Args:
        context: the run.
        sets: of neurons, for each query's id.
        sizes: how many of a set are edited.
        settings: what the edits depend on, for the job.
    """
    edits = {query: edits_of(found, sizes) for query, found in sets.items()}

    def build(batch: Sequence[Record]) -> PredictRequest:
        asked = edits[str(batch[0]["id"])]
        return PredictRequest(as_queries(batch), tuple(edit.intervention for edit in asked))

    def lines(answer: PredictAnswer) -> Iterator[Line]:
        return edited_lines(answer, edits)

    found = context.ask("interventions", context.queries, build, lines, settings={"edits": settings}, chunk=1)
    return [EditOutcome(line["query"], **each) for line in found for each in line["edits"]]


def edits_of(sets: Sequence[NeuronSet], sizes: Sequence[int]) -> list[SetEdit]:
    """All of a query's edits; r = 0 is the same for every method and asked once."""
    plain = [SetEdit(NeuronSet(ANY, ()), mode, 0) for mode in MODES]
    return plain + [SetEdit(each, mode, r) for each in sets for mode in MODES for r in sizes if r and each.neurons]


def edited_lines(answer: PredictAnswer, edits: Mapping[str, Sequence[SetEdit]]) -> Iterator[Line]:
    """One line a query: for each edit whether the prediction stayed, and by how much its probability fell."""
    for result in answer.results:
        base = result.baseline
        # A language model has one output, the target; its prediction is what it would have said.
        said = base.predicted or base.greedy
        label = base.predicted or next(iter(base.probabilities))
        rows = [
            {
                "method": edit.neurons.name, "mode": edit.mode, "r": edit.r, "used": len(edited.neurons),
                "unchanged": (edited.predicted or edited.greedy) == said,
                "drop": base.probabilities[label] - edited.probabilities[label],
            }
            for edit, edited in zip(edits[result.query_id], result.interventions, strict=True)
        ]  # fmt: skip
        yield {"query": result.query_id, "edits": rows}


def faithfulness_table(found: Sequence[EditOutcome], seed: int) -> list[Row]:
    """Share of unchanged predictions and mean drop of probability, with intervals over queries; draws are averaged first."""
    groups: dict[tuple[str, Mode, int], dict[str, list[EditOutcome]]] = defaultdict(lambda: defaultdict(list))
    for each in found:
        groups[each.source, each.mode, each.r][each.query].append(each)
    table: list[Row] = []
    for (method, mode, r), queries in groups.items():
        used = [each.used for draws in queries.values() for each in draws]
        for measure in ("unchanged", "drop"):
            values = [sum(float(getattr(each, measure)) for each in draws) / len(draws) for draws in queries.values()]
            figures = mean_columns(values, seed)
            table.append({"method": method, "mode": mode, "r": r, "measure": measure, **figures, "used": sum(used) / len(used)})
    return table


def short_sets(found: Sequence[EditOutcome]) -> list[str]:
    """Says where methods had fewer neurons to name than were asked for."""
    largest = max((each.r for each in found), default=0)
    notes = []
    for name in dict.fromkeys(each.method for each in found if each.r == largest):
        used = [each.used for each in found if each.method == name and each.r == largest]
        if sum(used) < largest * len(used):
            mean = sum(used) / len(used)
            notes.append(f"{name} names fewer than {largest} neurons for some queries: {mean:.1f} on average at r = {largest}")
    return notes


STUDY = Study(
    name="faithfulness",
    title="Faithfulness of neurons",
    measured="Each query is answered again after an edit at the position that the prediction is read from. Suppress sets "
    "the top r neurons of a method to 0 there: if these neurons carry the prediction, it should change. Keep sets"
    " all other neurons of every layer to 0 there: if the r neurons are enough, the prediction should stay. At r "
    "= 0 nothing is named by any method, so that point says what the edit alone does; a method has to be read "
    "against it and against random neurons.",
    published="keeping the single most important neuron preserves over 80 % of predictions; suppressing the 100 most "
    "important leaves over 90 % unchanged.",
    settings=FaithfulnessSettings,
    run=run_faithfulness,
    section=faithfulness_section,
    key_numbers=faithfulness_key_numbers,
    facts={"random_draws": lambda n: f"{count(n, 'draw')} of random neurons"},
    order=10,
    every_query=True,
)
