"""Artefacts: do the training instances found behind wrong answers show the surface pattern that misled the model?

For queries that the model gets wrong, markers of the retrieved training instances (word overlap, contiguous subsequence,
negation, any numeric or boolean column) stand against the corpus's base rate, for each method.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attridex.client import calls
from attridex.client.errors import UsageError
from attridex.client.workbench.context import Asked, Context, NotPossibleError, file_in, fingerprint, read_queries
from attridex.client.workbench.markers import MARKERS, decode, text_of
from attridex.client.workbench.methods import instances_request
from attridex.client.workbench.results import Results, Row
from attridex.client.workbench.statistics import mean_interval, rounded
from attridex.v1 import attribution_pb2 as pb

NAME = "artefacts"
TITLE = "Artefacts behind wrong answers"
CORPUS = "whole corpus"


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        queries: file of queries, beside the settings file; the run's own queries where empty.
        count: wrong answers looked at, drawn by the seed; 0 takes all.
        first: text field that the second is compared with, as "premise"; no text markers where empty.
        second: text field whose words are looked for, as "hypothesis".
        columns: numeric or boolean columns of the index whose means are compared too.
        k: instances a query.
        predicted: only wrong answers with this prediction, as "entailment"; all where empty.
    """

    queries: str = ""
    count: int = 200
    first: str = ""
    second: str = ""
    columns: tuple[str, ...] = ()
    k: int = 10
    predicted: str = ""


def run(context: Context, config: Config) -> Results:
    """Wrong answers, the instances behind them by every method, and their markers beside the corpus's."""
    if bool(config.first) != bool(config.second):
        raise UsageError("[artefacts]: first and second go together: the text fields that are compared")
    if not config.first and not config.columns:
        raise NotPossibleError("[artefacts]: nothing to look for; name text fields (first, second) or columns in --settings")
    wrong, asked = wrong_answers(context, config)
    facts: dict[str, Any] = {
        "queries": len(asked), "wrong": len(wrong), "queries_hash": fingerprint([[query.record, query.gold] for query in asked]),
    }  # fmt: skip
    if not wrong:
        return Results(facts=facts, notes=["the model gets none of these queries wrong in this way: nothing to look behind"])
    wrong = wrong[: config.count or None]
    base = corpus_markers(context, config)
    table = [corpus_row(base, marker, context.seed) for marker in names(config)]
    rows: list[Row] = []
    for method in context.methods:
        found = retrieved(context, config, method, wrong)
        rows += [{"query": query, "method": method, **values} for query, values in found.items()]
        table += [
            {
                "method": method,
                "marker": marker,
                **mean_interval([each[marker] for each in found.values()], context.seed).columns(),
            }
            for marker in names(config)
        ]
    return Results(tables={"artefacts": table}, rows={"markers": rows}, facts={**facts, "looked_at": len(wrong), "k": config.k})


def names(config: Config) -> list[str]:
    """Markers in the order of the tables."""
    return [*(MARKERS if config.first else []), *config.columns]


def wrong_answers(context: Context, config: Config) -> tuple[list[Asked], tuple[Asked, ...]]:
    """Queries that the model gets wrong, drawn by the seed, and all that were asked."""
    queries: tuple[Asked, ...] = context.queries
    if config.queries:
        queries = read_queries(file_in(context.base, config.queries, "[artefacts] queries"), context.index, context.seed, 0)
        queries = queries[: context.limit] if context.limit else queries
    check_gold(context, queries)
    lines = context.ask(
        "artefacts/predictions", queries,
        lambda batch: pb.AttributeStreamRequest(predict=calls.predict("", batch)), predicted_lines,
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
    return [wrong[at] for at in order], queries


def check_gold(context: Context, queries: Sequence[Asked]) -> None:
    """Refuse labels that no answer can be: neither the model's nor said to stand for some of them."""
    known = {*context.index.labels, *context.common.same}
    unknown = sorted({query.gold for query in queries if query.gold is not None} - known)
    if context.index.labels and unknown:
        labels = ", ".join(context.index.labels)
        raise UsageError(
            f"[{NAME}]: the queries' label '{unknown[0]}' is none of the model's ({labels}), so every answer would be wrong; "
            f"say which it stands for: same = {{ {json.dumps(unknown[0])} = [...] }}"
        )


def predicted_lines(answer: Any) -> Iterator[dict[str, Any]]:
    """One line a query: what the model says, and for a language model what it should have said."""
    for result in answer.results:
        base = result.baseline
        language = not base.predicted
        yield {
            "query": result.query_id,
            "predicted": base.greedy if language else base.predicted,
            "target": base.label if language else None,
        }


def fields(config: Config) -> list[str]:
    """Columns that the markers need."""
    texts = [config.first, config.second] if config.first else []
    return list(dict.fromkeys([*texts, "label", *config.columns]))


def markers(values: Mapping[str, Any], config: Config) -> dict[str, float]:
    """All markers of one training instance; a list of choices stands for the right one."""
    found = {}
    if config.first:
        decoded = {name: decode(values[name]) for name in (config.first, config.second)}
        first, second = (text_of(decoded, name, values["label"]) for name in (config.first, config.second))
        found = {name: marker(first, second) for name, marker in MARKERS.items()}
    return {**found, **{name: number(values[name], name) for name in config.columns}}


def number(value: Any, name: str) -> float:
    """A value of a column as a number.

    Raises:
        UsageError: it is none.
    """
    if value is None:
        return float("nan")
    if not isinstance(value, bool | int | float):
        raise UsageError(f"[artefacts] columns: '{name}' holds {value!r}; a numeric or boolean column is needed")
    return float(value)


def corpus_markers(context: Context, config: Config) -> list[dict[str, float]]:
    """Markers of every training instance."""
    return [markers(each.fields, config) for each in context.client.list_instances(fields=fields(config))]


def corpus_row(base: Sequence[Mapping[str, float]], marker: str, seed: int) -> Row:
    """The base rate, with the interval of its mean by the normal approximation (the corpus is large)."""
    values = np.array([each[marker] for each in base])
    values = values[~np.isnan(values)]
    mean, half = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
    return {
        "method": CORPUS, "marker": marker, "mean": rounded(mean), "low": rounded(mean - half), "high": rounded(mean + half),
        "n": len(values),
    }  # fmt: skip


def retrieved(context: Context, config: Config, method: str, wrong: Sequence[Asked]) -> dict[str, dict[str, float]]:
    """Mean markers of the k instances behind each wrong answer."""
    k = min(config.k, context.index.instances)

    def lines(answer: Any) -> Iterator[dict[str, Any]]:
        for result in answer.results:
            each = [markers(hit.fields, config) for hit in result.hits]
            means = {name: float(np.nanmean([one[name] for one in each])) if each else float("nan") for name in names(config)}
            yield {"query": result.query_id, "markers": means}

    found = context.ask(
        f"artefacts/{method.replace('/', '-')}", wrong,
        lambda batch: instances_request(
            method, batch, k=k, label=context.label, seed=context.seed, fields=fields(config)
        ),
        lines,
        settings={
            "method": method, "k": k, "label": context.label, "fields": fields(config), "markers": names(config),
        },
    )  # fmt: skip
    return {line["query"]: line["markers"] for line in found}
