"""Agreement: rank correlations between methods over all training instances, and what approximate search loses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np

from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, matrix, pick, pivot
from attridex.client.records import Line, Record
from attridex.client.studies.base import Contents, Study
from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import NA_INSTANCES, StudyMethod, answered, method_name
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.scores import Scores, all_scores
from attridex.client.workbench.statistics import Row, mean_columns, shared
from attridex.indexer.ranks import spearman
from attridex.v1.answers import InstancesAnswer
from attridex.v1.requests import AttributeInstancesRequest, Scoring, as_queries

SCANNED = ("grad-dot", "grad-cos")
"""Methods whose approximate answers are compared with the exact ones."""


@dataclass(frozen=True)
class AgreementSettings:
    """Settings."""

    k: Annotated[int, "hits that recall is of"] = 10
    lissa: Annotated[
        bool, "whether LiSSA, as the paper's scripts set it, is compared too, where the index has a curvature for it"
    ] = True


@dataclass(frozen=True)
class Hits:
    """Ids of the best instances of a query, and their scores."""

    ids: Sequence[str]
    scores: Sequence[float]


def run_agreement(context: Context, config: AgreementSettings) -> Findings:
    """Spearman's rho for each pair of methods, mean over queries; recall of each structure of the index."""
    methods = list(context.methods)
    if config.lissa and "lissa" in context.index.methods:
        methods.append(StudyMethod("lissa", context.index.curvatures[0]))
    found = {method.name: all_scores(context, method, context.label) for method in methods}
    rows = rank_correlations(found, [query.id for query in context.queries])
    tables, measured, notes = {"rank_correlation": correlation_table(rows, list(found), context.seed)}, {"correlations": rows}, []
    structures = context.index.manifest["config"]["index"]["approximate"]
    if structures:
        measured["recall"] = approximate_recall(context, structures, config.k)
        tables["approximate"] = approximate_table(measured["recall"], context.seed)
    else:
        notes.append("the index has no structure for approximate search (index.approximate): all its answers are exact")
    if NA_INSTANCES in (method for method, _ in answered(context.index)):
        notes.append("for na-instances, instances without a shared neuron share the last place")
    return Findings(tables, measured, notes=notes, facts={"queries": len(context.queries)})


def correlation_table(rows: Sequence[Row], methods: Sequence[str], seed: int) -> list[Row]:
    """Mean rho of each pair of methods."""
    return [
        {"a": a, "b": b, **mean_columns([row["rho"] for row in pick(rows, a=a, b=b)], seed)} for a, b in combinations(methods, 2)
    ]


def rank_correlations(found: Mapping[str, Scores], queries: list[str]) -> list[Row]:
    """Spearman's rho of each pair of methods for each query; what is no hit of a method ranks below all its hits."""
    filled = {method: np.where(np.isnan(each), -np.inf, each) for method, each in found.items()}
    return [
        {"query": query, "a": a, "b": b, "rho": spearman(filled[a][at], filled[b][at])}
        for a, b in combinations(found, 2)
        for at, query in enumerate(queries)
    ]


def approximate_recall(context: Context, structures: Sequence[str], k: int) -> list[Row]:
    """Recall at k against exact search, and how much of the exact hits' scores the approximate hits have."""
    rows: list[Row] = []
    for method in SCANNED:
        exact = best_hits(context, method, None, k)
        for structure in structures:
            if structure == "ivf" and method != "grad-cos":
                continue
            near = best_hits(context, method, structure, k)
            about = {"method": method, "structure": structure}
            rows += [{"query": query, **about, **compared_hits(exact[query], near[query])} for query in exact]
    return rows


def compared_hits(exact: Hits, near: Hits) -> Row:
    """Recall of approximate hits, and the share of the score that they lose."""
    whole = float(np.sum(exact.scores))
    return {"recall": shared(exact.ids, near.ids), "lost": (whole - float(np.sum(near.scores))) / (abs(whole) or 1.0)}


def approximate_table(rows: Sequence[Row], seed: int) -> list[Row]:
    """Means over queries for each method and structure."""
    table: list[Row] = []
    for method, structure in dict.fromkeys((row["method"], row["structure"]) for row in rows):
        own = pick(rows, method=method, structure=structure)
        for measure in ("recall", "lost"):
            figures = mean_columns([row[measure] for row in own], seed)
            table.append({"method": method, "structure": structure, "measure": measure, **figures})
    return table


def best_hits(context: Context, method: str, structure: str | None, k: int) -> dict[str, Hits]:
    """The k best of each query, exactly or by a structure.

    Args:
        context: the run.
        method: one of `SCANNED`.
        structure: of the index; None for exact search.
        k: hits a query.
    """
    k = min(k, context.index.instances)
    scoring = Scoring(method) if structure is None else Scoring(method, exact=False, approximate=structure)

    def build(batch: Sequence[Record]) -> AttributeInstancesRequest:
        return AttributeInstancesRequest(as_queries(batch), scoring, k, label=context.label)

    found = context.ask(
        f"agreement/{method}-{structure or 'exact'}", context.queries, build, hit_lines,
        settings={"method": method, "structure": structure, "k": k, "label": context.label},
    )  # fmt: skip
    return {line["query"]: Hits(line["ids"], line["scores"]) for line in found}


def hit_lines(answer: InstancesAnswer) -> Iterator[Line]:
    """One line a query: ids and scores of its hits."""
    for result in answer.results:
        yield {"query": result.query_id, "ids": [hit.id for hit in result.hits], "scores": [hit.score for hit in result.hits]}


def agreement_section(result: StudyResult, palette: Palette) -> Contents:
    """Rank correlations, and what approximate search finds of the exact hits."""
    from attridex.client.figures.drawing import picture
    from attridex.client.figures.heat import Heat, heat_maps

    pictures, tables = [], []
    if rows := result.rows("rank_correlation"):
        pictures.append(picture(
            "agreement", heat_maps([Heat("Rank correlation over all instances", rows, symmetric=True)]),
            "Heat map of Spearman\u2019s rank correlation for each pair of methods.",
            "Blue: the same order; red: the opposite order; white: no relation. Mean over queries.",
        ))  # fmt: skip
        both = [*rows, *({**row, "a": row["b"], "b": row["a"]} for row in rows)]
        tables.append(matrix(both, "Spearman\u2019s \u03c1 of each pair of methods", method_name))
    if rows := result.rows("approximate"):
        named = [{**row, "pair": f"{method_name(row['method'])}, {row['structure']}"} for row in rows]
        names = {"recall": f"recall at {result.config['k']}", "lost": "share of the score lost"}
        down, across = Axis("pair", "method, structure"), Axis("measure", "", lambda what: names.get(what, what))
        tables.append(pivot(named, down, across, "Approximate search against exact search"))
    return Contents(pictures, tables)


STUDY = Study(
    name="agreement",
    title="Agreement between methods",
    measured="Spearman\u2019s rank correlation between the scores that two methods give to all training instances, averaged over "
    "queries: 1 is the same order, 0 is no relation, \u22121 is the opposite order.",
    settings=AgreementSettings,
    run=run_agreement,
    section=agreement_section,
    order=40,
    every_query=True,
)
