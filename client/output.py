"""Answers as JSON lines and as tables for people."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from attridex.client.records import Line
from attridex.v1.answers import (
    Answer,
    Info,
    InstanceHit,
    InstancesAnswer,
    InstancesResult,
    InterventionResult,
    NeuronsAnswer,
    NeuronScore,
    NeuronsResult,
    PredictAnswer,
    Prediction,
    PredictResult,
)
from attridex.v1.neurons import Neuron
from attridex.v1.tabular import beside

TableMaker = Callable[[Any], Table]
"""Makes the table of a result."""
LABEL, LABEL_WIDTH = "label", 20
"""The column of labels, and how wide it may be in a brief table."""


def line_head(info: Info, query_id: str, prediction: Prediction | None) -> Line:
    """Keys that every line begins with."""
    predicted = (prediction.predicted or None) if prediction else None
    line: Line = {"query": query_id, "predicted": predicted, "method": info.method}
    if prediction and prediction.greedy:
        line |= {"greedy": prediction.greedy, **({"target": prediction.label} if prediction.label else {})}
    if info.damping is not None:
        line |= {"curvature": info.curvature, "damping": info.damping}
    return line


def line_tail(info: Info) -> Line:
    """Keys that every line ends with."""
    line: Line = {"sign": info.sign, "scale": info.scale}
    if info.label:
        line["label"] = info.label
    line |= {"index_version": info.index_version, "exact": info.exact, **({"stale": list(info.stale)} if info.stale else {})}
    line |= {"shards_ok": info.shards_ok, "shards_total": info.shards_total} if info.partial else {}
    return line if info.recall is None else {**line, "structure": info.structure, "recall": info.recall}


def neuron_json(value: NeuronScore) -> Line:
    """A neuron as JSON."""
    line: Line = {**value.place, "score": value.score}
    return {**line, "instances": list(value.instance_ids)} if value.instance_ids else line


def hit_head(hit: InstanceHit) -> Line:
    """What every hit is: of a group also how many instances were summed, and the one that scores highest."""
    line: Line = {"rank": hit.rank, "id": hit.id, "score": hit.score}
    return {**line, "instances": hit.instances, "best": hit.best} if hit.instances else line


def instance_lines(answer: InstancesAnswer) -> Iterator[Line]:
    """One line a query of IA and NA-Instances."""
    for result in answer.results:
        hits = [beside(hit_head(hit), hit.fields) for hit in result.hits]
        line = {**line_head(answer.info, result.query_id, result.prediction), "hits": hits}
        if result.neurons:
            line["neurons"] = [neuron_json(value) for value in result.neurons]
        yield {**line, **line_tail(answer.info)}


def neuron_lines(answer: NeuronsAnswer) -> Iterator[Line]:
    """One line a query of NA and IA-Neurons."""
    for result in answer.results:
        head = line_head(answer.info, result.query_id, result.prediction)
        yield {**head, "neurons": list(map(neuron_json, result.neurons)), **line_tail(answer.info)}


def predict_lines(answer: PredictAnswer) -> Iterator[Line]:
    """One line a query; `probabilities` are those under the last intervention, or plain where there is none.

    `predicted` is always the model's own answer, as in every other line; `probabilities_of` says whose the probabilities are.
    """
    for result in answer.results:
        baseline = dict(result.baseline.probabilities)
        last = result.interventions[-1] if result.interventions else None
        yield {
            **line_head(answer.info, result.query_id, result.baseline),
            "probabilities": dict(last.probabilities) if last else baseline,
            "probabilities_of": last.name if last else "baseline",
            "baseline": baseline,
            "interventions": [
                {
                    "name": each.name, "mode": each.mode, "predicted": each.predicted or None,
                    "probabilities": dict(each.probabilities), **({"greedy": each.greedy} if each.greedy else {}),
                    "neurons": [neuron.numbers for neuron in each.neurons],
                }
                for each in result.interventions
            ],
            **line_tail(answer.info),
        }  # fmt: skip


LINES: Mapping[type[Any], Callable[[Any], Iterator[Line]]] = {
    InstancesAnswer: instance_lines,
    NeuronsAnswer: neuron_lines,
    PredictAnswer: predict_lines,
}
"""What makes lines of each kind of answer."""


def answer_lines(answer: Answer) -> Iterator[Line]:
    """One line a query."""
    return LINES[type(answer)](answer)


def show_answer(console: Console, answer: Answer, texts: Mapping[str, str], *, brief: bool = False) -> None:
    """Tables of an answer.

    Args:
        console: where they are printed.
        answer: to any request.
        texts: shows each query.
        brief: give each instance one line, with its label and the longest of its texts.
    """
    for result in answer.results:
        show_result(console, result, texts.get(result.query_id, ""), BRIEF if brief else TABLES)
    info = answer.info
    how = "" if info.damping is None else f", {info.curvature}, damping {info.damping:.3g}"
    found = ""
    if info.recall is not None:
        found = f"; found approximately by {info.structure}, recall@10 {info.recall:.3f} measured on this index"
    if info.stale:
        found += f"; stale until `attridex refresh`: {', '.join(info.stale)}"
    if info.partial:
        found += f"; PARTIAL: of {info.shards_ok} of {info.shards_total} shards, the others did not answer"
    console.print(f"{info.method}{how}: {info.sign}; {info.scale}{found}", style="dim", markup=False, highlight=False)


def show_result(
    console: Console, result: InstancesResult | NeuronsResult | PredictResult, text: str, tables: Mapping[type[Any], TableMaker]
) -> None:
    """A query, what the model says, and the table.

    Args:
        console: where they are printed.
        result: of the query.
        text: of the query.
        tables: what makes the table of each kind of result.
    """
    prediction = result.baseline if isinstance(result, PredictResult) else result.prediction
    said = (prediction.predicted or prediction.greedy) if prediction else ""
    predicted = f"  predicted [bold]{escape(said)}[/bold]" if said else ""
    console.print(f"\n[bold]{escape(result.query_id)}[/bold]{predicted}")
    if text:
        console.print(text, style="dim", markup=False, highlight=False)
    console.print(tables[type(result)](result))


def instance_table(result: InstancesResult) -> Table:
    """Hits of a query."""
    names = list(result.hits[0].fields) if result.hits else []
    table = hits_table(result)
    for name in names:
        table.add_column(escape(name), overflow="fold")
    for hit in result.hits:
        table.add_row(*hit_cells(hit), *(shown_value(hit.fields.get(name)) for name in names))
    return table


def brief_table(result: InstancesResult) -> Table:
    """Hits of a query in a line each, as wide as the terminal: the label, and the longest text."""
    table, text = hits_table(result), longest_text(result.hits)
    labelled = any(LABEL in hit.fields for hit in result.hits)
    if labelled:
        table.add_column(LABEL, no_wrap=True, overflow="ellipsis", max_width=LABEL_WIDTH)
    if text:
        table.add_column(escape(text), no_wrap=True, overflow="ellipsis", ratio=1)
        table.expand = True
    for hit in result.hits:
        cells = [one_line(hit.fields.get(name)) for name in (*[LABEL] * labelled, *[text] * bool(text))]
        table.add_row(*hit_cells(hit), *cells)
    return table


def hits_table(result: InstancesResult) -> Table:
    """A table of hits, still without their columns."""
    table = Table("rank", box=None, pad_edge=False)
    table.add_column("score", no_wrap=True, overflow="ignore")
    table.add_column("instance", no_wrap=True, overflow="ignore")  # the id is what --instance asks for: never cut
    table.caption = None if result.hits else "no instance"
    return table


def hit_cells(hit: InstanceHit) -> tuple[str, str, str]:
    """The cells that every hit has."""
    return str(hit.rank), f"{hit.score:.4g}", escape(hit.id)


def longest_text(hits: Sequence[InstanceHit]) -> str:
    """The column, but for the label, with the longest texts; empty where there are none."""
    sizes: Counter[str] = Counter()
    for hit in hits:
        sizes.update({name: len(value) for name, value in hit.fields.items() if isinstance(value, str) and name != LABEL})
    return sizes.most_common(1)[0][0] if sizes else ""


def one_line(value: Any) -> str:
    """A column's value without line breaks."""
    return " ".join(shown_value(value).split())


def shown_value(value: Any) -> str:
    """A column's value in a table; brackets in a text are no markup."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else escape(str(value))


def neuron_table(result: NeuronsResult) -> Table:
    """Neurons of a query."""
    columns = place_columns([value.neuron for value in result.neurons])
    table = Table("rank", *columns, "score", box=None, pad_edge=False)
    for rank, value in enumerate(result.neurons, 1):
        table.add_row(str(rank), *place_cells(value.neuron, columns), f"{value.score:.4g}")
    asked = len({identity for value in result.neurons for identity in value.instance_ids})
    if asked:
        table.caption = f"{asked} instances name {len(result.neurons)} distinct neurons"
    return table


def place_columns(neurons: Sequence[Neuron]) -> tuple[str, ...]:
    """The columns that name neurons; one for experts where any has one."""
    return ("layer", "expert", "unit") if any(each.expert is not None for each in neurons) else ("layer", "unit")


def place_cells(neuron: Neuron, columns: Sequence[str]) -> list[str]:
    """A neuron's cells in these columns."""
    parts = (getattr(neuron, name) for name in columns)
    return ["" if part is None else str(part) for part in parts]


def predict_table(result: PredictResult) -> Table:
    """Probabilities of a query."""
    labels = map(escape, result.baseline.probabilities)
    table = Table("", "neurons", "predicted", *labels, box=None, pad_edge=False)
    said: list[Prediction | InterventionResult] = [result.baseline, *result.interventions]
    for each in said:
        edit = (escape(each.name), str(len(each.neurons))) if isinstance(each, InterventionResult) else ("baseline", "")
        table.add_row(*edit, escape(each.predicted or each.greedy), *(f"{p:.3f}" for p in each.probabilities.values()))
    return table


TABLES: Mapping[type[Any], TableMaker] = {
    InstancesResult: instance_table,
    NeuronsResult: neuron_table,
    PredictResult: predict_table,
}
"""What makes the table of each kind of result."""
BRIEF: Mapping[type[Any], TableMaker] = {**TABLES, InstancesResult: brief_table}
"""The same, an instance a line."""
