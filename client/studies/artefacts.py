"""Artefacts: do the training instances found behind wrong answers show the surface pattern that misled the model?

For queries that the model gets wrong, markers of the retrieved training instances (word overlap, contiguous subsequence,
negation, any numeric or boolean column) stand against the corpus's base rate, for each method.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np

from attridex.client.errors import UsageError
from attridex.client.figures.numbers import number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, distinct, pick, pivot
from attridex.client.records import Line
from attridex.client.studies.base import METHOD, Contents, KeyNumber, Study, highest, leaders, measured_rows
from attridex.client.workbench.context import Asked, Context, NotPossibleError, file_in, fingerprint, read_queries
from attridex.client.workbench.markers import MARKERS, decode, text_of
from attridex.client.workbench.methods import StudyMethod
from attridex.client.workbench.requests import instances_request
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.statistics import Row, mean_columns, present, rounded
from attridex.v1.answers import InstancesAnswer, PredictAnswer
from attridex.v1.requests import PredictRequest, as_queries

CORPUS = "whole corpus"


@dataclass(frozen=True)
class ArtefactsSettings:
    """Settings."""

    queries: Annotated[str, "file of queries, beside the settings file; the run's own queries where empty"] = ""
    count: Annotated[int, "wrong answers looked at, drawn by the seed; 0 takes all"] = 200
    first: Annotated[str, "text field that the second is compared with, as `premise`; no text markers where empty"] = ""
    second: Annotated[str, "text field whose words are looked for, as `hypothesis`"] = ""
    columns: Annotated[tuple[str, ...], "numeric or boolean columns of the index whose means are compared too"] = ()
    k: Annotated[int, "instances a query"] = 10
    predicted: Annotated[str, "only wrong answers with this prediction, as `entailment`; all where empty"] = ""


class WrongAnswers(NamedTuple):
    """Queries that the model gets wrong, and all that were asked."""

    wrong: Sequence[Asked]
    asked: Sequence[Asked]


def run_artefacts(context: Context, config: ArtefactsSettings) -> Findings:
    """Wrong answers, the instances behind them by every method, and their markers beside the corpus's."""
    if bool(config.first) != bool(config.second):
        raise UsageError("[artefacts]: first and second go together: the text fields that are compared")
    if not config.first and not config.columns:
        raise NotPossibleError("[artefacts]: nothing to look for; name text fields (first, second) or columns in --settings")
    wrong, asked = wrong_answers(context, config)
    facts: dict[str, int | str] = {
        "queries": len(asked), "wrong": len(wrong), "queries_hash": fingerprint([[query.record, query.gold] for query in asked]),
    }  # fmt: skip
    if not wrong:
        return Findings(facts=facts, notes=["the model gets none of these queries wrong in this way: nothing to look behind"])
    wrong = wrong[: config.count or None]
    base = corpus_markers(context, config)
    table = [corpus_row(base, marker, context.seed) for marker in marker_names(config)]
    rows: list[Row] = []
    for method in context.methods:
        found = retrieved_markers(context, config, method, wrong)
        rows += [{"query": query, "method": method.name, **values} for query, values in found.items()]
        table += [
            {"method": method.name, "marker": marker, **mean_columns([each[marker] for each in found.values()], context.seed)}
            for marker in marker_names(config)
        ]
    return Findings(tables={"artefacts": table}, rows={"markers": rows}, facts={**facts, "looked_at": len(wrong), "k": config.k})


def marker_names(config: ArtefactsSettings) -> list[str]:
    """Markers in the order of the tables."""
    return [*(MARKERS if config.first else []), *config.columns]


def wrong_answers(context: Context, config: ArtefactsSettings) -> WrongAnswers:
    """Queries that the model gets wrong, drawn by the seed, and all that were asked."""
    queries: tuple[Asked, ...] = context.queries
    if config.queries:
        queries = read_queries(
            file_in(context.base, config.queries, "[artefacts] queries"), context.index, context.seed, 0, context.dialect
        )
        queries = queries[: context.limit] if context.limit else queries
    check_gold(context, queries)
    lines = context.ask(
        "artefacts/predictions", queries,
        lambda batch: PredictRequest(as_queries(batch)), predicted_lines,
        settings={"file": config.queries},
    )  # fmt: skip
    # A language model's gold answer is its target.
    asked = [(query, line["predicted"], line["target"] or query.gold) for query, line in zip(queries, lines, strict=True)]
    if all(gold is None for _, _, gold in asked):
        raise NotPossibleError("[artefacts]: the queries have no labels, so no answer can be called wrong")
    wrong = [
        query for query, said, gold in asked
        if gold is not None and not context.right(said, gold) and config.predicted in ("", said)
    ]  # fmt: skip
    order = np.random.default_rng(context.seed).permutation(len(wrong))
    return WrongAnswers([wrong[at] for at in order], queries)


def check_gold(context: Context, queries: Sequence[Asked]) -> None:
    """Refuse labels that no answer can be: neither the model's nor said to stand for some of them."""
    known = {*context.index.labels, *context.common.same}
    unknown = sorted({query.gold for query in queries if query.gold is not None} - known)
    if context.index.labels and unknown:
        labels = ", ".join(context.index.labels)
        raise UsageError(
            f"[artefacts]: the queries' label '{unknown[0]}' is none of the model's ({labels}), so every answer would be wrong; "
            f"say which it stands for: same = {{ {json.dumps(unknown[0])} = [...] }}"
        )


def predicted_lines(answer: PredictAnswer) -> Iterator[Line]:
    """One line a query: what the model says, and for a language model what it should have said."""
    for result in answer.results:
        base = result.baseline
        target = None if base.predicted else base.label
        yield {"query": result.query_id, "predicted": base.predicted or base.greedy, "target": target}


def needed_fields(config: ArtefactsSettings) -> list[str]:
    """Columns that the markers need."""
    texts = [config.first, config.second] if config.first else []
    return list(dict.fromkeys([*texts, "label", *config.columns]))


def markers_of(values: Mapping[str, Any], config: ArtefactsSettings) -> dict[str, float]:
    """All markers of one training instance; a list of choices stands for the right one."""
    found = {}
    if config.first:
        decoded = {name: decode(values[name]) for name in (config.first, config.second)}
        first, second = (text_of(decoded, name, values["label"]) for name in (config.first, config.second))
        found = {name: marker.measure(first, second) for name, marker in MARKERS.items()}
    return {**found, **{name: column_value(values[name], name) for name in config.columns}}


def column_value(value: Any, name: str) -> float:
    """A value of a column as a number.

    Raises:
        UsageError: it is none.
    """
    if value is None:
        return float("nan")
    if not isinstance(value, bool | int | float):
        raise UsageError(f"[artefacts] columns: '{name}' holds {value!r}; a numeric or boolean column is needed")
    return float(value)


def corpus_markers(context: Context, config: ArtefactsSettings) -> list[dict[str, float]]:
    """Markers of every training instance."""
    return [markers_of(each.fields, config) for each in context.client.list_instances(fields=needed_fields(config))]


def corpus_row(base: Sequence[Mapping[str, float]], marker: str, seed: int) -> Row:
    """The base rate, with the interval of its mean by the normal approximation (the corpus is large)."""
    values = present([each[marker] for each in base])
    mean, half = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
    return {
        "method": CORPUS, "marker": marker, "mean": rounded(mean), "low": rounded(mean - half), "high": rounded(mean + half),
        "n": len(values),
    }  # fmt: skip


def retrieved_markers(
    context: Context, config: ArtefactsSettings, method: StudyMethod, wrong: Sequence[Asked]
) -> Mapping[str, Mapping[str, float]]:
    """Mean markers of the k instances behind each wrong answer.

    Args:
        context: the run.
        config: settings.
        method: by which instances are found.
        wrong: the queries that the model gets wrong.
    """
    k, fields = min(config.k, context.index.instances), needed_fields(config)

    def lines(answer: InstancesAnswer) -> Iterator[Line]:
        for result in answer.results:
            each = [markers_of(hit.fields, config) for hit in result.hits]
            means = {
                name: float(np.nanmean([one[name] for one in each])) if each else float("nan") for name in marker_names(config)
            }
            yield {"query": result.query_id, "markers": means}

    found = context.ask(
        f"artefacts/{method.path}", wrong,
        lambda batch: instances_request(context, method, batch, k=k, label=context.label, fields=fields), lines,
        settings={
            "method": method.name, "k": k, "label": context.label, "fields": fields, "markers": marker_names(config),
        },
    )  # fmt: skip
    return {line["query"]: line["markers"] for line in found}


def artefacts_section(result: StudyResult, palette: Palette) -> Contents:
    """Markers against base rates: a panel for each marker, a dot with its interval for each method."""
    from attridex.client.figures.bars import Panel, dot_panels
    from attridex.client.figures.drawing import picture

    rows = result.rows("artefacts")
    panels = []
    for marker in distinct(rows, "marker"):
        own = list({row["method"]: row for row in reversed(pick(rows, marker=marker))}.values())[::-1]
        others = [row for row in own if row["method"] != CORPUS]
        panels.append(Panel(others, marker_title(marker), references=pick(own, method=CORPUS)))
    drawn = picture(
        "artefacts", dot_panels(panels, palette),
        "For each marker a dot with its interval for each method, and the corpus\u2019s base rate.",
        "Mean of each marker among the instances behind wrong answers. Dotted line and grey band: base rate in the whole corpus. "
        "Lines are 95 % bootstrap intervals over queries.",
    )  # fmt: skip
    caption = "Markers of the instances behind wrong answers; n is wrong answers, or instances of the corpus"
    return Contents([drawn], [pivot(rows, METHOD, Axis("marker", "marker", marker_title), caption)])


def marker_title(marker: str) -> str:
    """A marker's name for readers: names of columns without underscores."""
    return marker.replace("_", " ")


def marker_notes(result: StudyResult) -> Iterator[str]:
    """What the markers mean."""
    for name in distinct(result.rows("artefacts"), "marker"):
        if name in MARKERS:
            yield f"{name[:1].upper()}{name[1:]}: {MARKERS[name].meaning}."


def artefacts_key_numbers(result: StudyResult) -> Iterator[KeyNumber]:
    """The first marker: the best methods against the base rate."""
    rows = measured_rows(result, "artefacts")
    own = pick(rows, marker=rows[0]["marker"]) if rows else []
    base, others = pick(own, method=CORPUS), [row for row in own if row["method"] not in (CORPUS, "random")]
    if base and others:
        best = highest(others)
        what = f"mean {marker_title(best['marker'])} of the instances behind wrong answers by {leaders(others)}"
        yield KeyNumber.of(best, f"{what} (base rate {number(base[0]['mean'])})")


STUDY = Study(
    name="artefacts",
    title="Artefacts behind wrong answers",
    measured="For queries that the model gets wrong, do the training instances behind the answer show the surface pattern "
    "that could have misled it? The mean of each marker among a method\u2019s top instances is set against the "
    "base rate in the whole corpus: the further from the dotted line, the more the method exposes the pattern.",
    published="neuron attribution is better at exposing artefacts.",
    settings=ArtefactsSettings,
    run=run_artefacts,
    section=artefacts_section,
    notes=marker_notes,
    key_numbers=artefacts_key_numbers,
    facts={"looked_at": lambda n: f"{number(n)} looked at"},
    order=50,
)
