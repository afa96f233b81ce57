"""The part of `query na` that refines over paraphrases: query records in groups, one line a group."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from attridex.client import output
from attridex.client.commands.asking import BATCH, Asking, naming, with_queries
from attridex.client.errors import ClientError, UsageError
from attridex.client.files import json_line
from attridex.client.records import Line, in_batches
from attridex.client.refine import RefinedNeuron, refine_neurons
from attridex.v1.answers import Info, NeuronsResult
from attridex.v1.requests import AttributeNeuronsRequest, Query, RecordSource


@dataclass(frozen=True)
class Refinement:
    """What is asked for: the share of a group's prompts that must name a neuron, and the column that groups them."""

    share: float
    group: str


@dataclass
class Group:
    """Prompts with the same value in the group's column, with their answers."""

    value: Any
    results: list[NeuronsResult] = field(default_factory=list)


def refinement(asking: Asking, refine: float | None, group: str | None) -> Refinement | None:
    """Read the options --refine and --group; None where neither is given.

    Raises:
        UsageError: one without the other, or with options that they do not go with.
    """
    if refine is None and group is None:
        return None
    if refine is None or not group:
        raise UsageError("give --refine SHARE and --group COLUMN together")
    if asking.out or not asking.queries:
        raise UsageError("--refine reads the groups from --queries FILE, and writes to stdout: leave --instance and --out away")
    refine_neurons([], refine)  # refuses a share out of range before any work
    return Refinement(refine, group)


def ask_refined(asking: Asking, request: AttributeNeuronsRequest, wanted: Refinement) -> None:
    """Ask for the neurons of every record and show those of each group, groups in the order of their first record.

    Raises:
        UsageError: a record without the group's column.
        ClientError: the served index changed on the way.
    """
    for query in asking.sources():  # one pass before any work: a bad line is found now
        group_of(query, wanted.group)
    groups: dict[str, Group] = {}
    infos = []
    with asking.client() as client, naming(asking.queries):
        for batch in in_batches(asking.sources(client.get_index()), BATCH):
            answer = client.send(with_queries(request, batch))
            infos.append(answer.info)
            for query, result in zip(batch, answer.results, strict=True):
                value = group_of(query, wanted.group)
                groups.setdefault(json.dumps(value, sort_keys=True, default=str), Group(value)).results.append(result)
    if len({info.index_version for info in infos}) > 1:
        raise ClientError("the server's index changed while the queries were answered; ask again")
    show_groups(groups.values(), wanted, infos[0], as_json=asking.as_json)


def group_of(query: Query, column: str) -> Any:
    """The record's value in the group's column."""
    record = query.source.values if isinstance(query.source, RecordSource) else {}
    if record.get(column) in (None, ""):
        raise UsageError(f"query '{query.id}': no column '{column}' (--group); it has {', '.join(record)}")
    return record[column]


def show_groups(groups: Iterable[Group], wanted: Refinement, info: Info, *, as_json: bool) -> None:
    """A JSON line, or a table, for each group.

    Args:
        groups: with their answers.
        wanted: what was asked for.
        info: how the answers were made.
        as_json: whether lines are shown.
    """
    console = Console()
    for group in groups:
        neurons = refine_neurons(group.results, wanted.share)
        if as_json:
            line = json_line(refined_line(group, neurons, wanted, info), default=str)
            sys.stdout.write(f"{line}\n")
        else:
            prompts = f"{len(group.results)} prompt{'s'[: len(group.results) > 1]}"
            console.print(f"\n{wanted.group} {group.value}: {prompts}", markup=False, highlight=False)
            console.print(refined_table(neurons))
    if not as_json:
        meaning = f"{info.method}: {info.sign}; mean over the prompts that name a neuron; {info.scale}"
        console.print(meaning, style="dim", markup=False)


def refined_line(group: Group, neurons: tuple[RefinedNeuron, ...], wanted: Refinement, info: Info) -> Line:
    """A group as JSON; `predicted` counts the prompts by the label whose probability their neurons raise.

    Args:
        group: with its answers.
        neurons: that are left of it.
        wanted: what was asked for.
        info: how the answers were made.
    """
    said = Counter(result.prediction.predicted for result in group.results if result.prediction and result.prediction.predicted)
    return {
        "group": group.value,
        "queries": [result.query_id for result in group.results],
        "predicted": dict(said),
        "method": info.method,
        "refine": wanted.share,
        "neurons": [refined_json(neuron) for neuron in neurons],
        **output.line_tail(info),
    }


def refined_json(value: RefinedNeuron) -> Line:
    """A neuron as JSON; experts only where there are any."""
    return {name: part for name, part in asdict(value).items() if part is not None}


def refined_table(neurons: tuple[RefinedNeuron, ...]) -> Table:
    """A group's neurons for people."""
    columns = output.place_columns([each.neuron for each in neurons])
    table = Table("rank", *columns, "score", "prompts", box=None, pad_edge=False)
    for rank, each in enumerate(neurons, 1):
        table.add_row(str(rank), *output.place_cells(each.neuron, columns), f"{each.score:.4g}", str(each.prompts))
    return table
