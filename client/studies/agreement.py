"""Agreement: rank correlations between methods over all training instances, and what approximate search loses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from attridex.client import calls
from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import NA, arguments, offered
from attridex.client.workbench.results import Results, Row
from attridex.client.workbench.scores import Scores, scores
from attridex.client.workbench.statistics import mean_interval, shared, spearman
from attridex.v1 import attribution_pb2 as pb

NAME = "agreement"
TITLE = "Agreement between methods"
SCANNED = ("grad-dot", "grad-cos")
"""Methods whose approximate answers are compared with the exact ones."""


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        k: hits that recall is of.
        lissa: whether LiSSA, as the paper's scripts set it, is compared too, where the index has a curvature for it.
    """

    k: int = 10
    lissa: bool = True


def run(context: Context, config: Config) -> Results:
    """Spearman's rho for each pair of methods, mean over queries; recall of each structure of the index."""
    methods = list(context.methods)
    if config.lissa and "lissa" in context.index.methods:
        methods.append(f"lissa/{context.index.curvatures[0]}")
    found = {method: scores(context, method, context.label) for method in methods}
    rows = correlations(found, [query.id for query in context.queries])
    table = [
        {"a": a, "b": b, **mean_interval([row["rho"] for row in rows if (row["a"], row["b"]) == (a, b)], context.seed).columns()}
        for a, b in combinations(methods, 2)
    ]
    results = Results(tables={"rank_correlation": table}, rows={"correlations": rows}, facts={"queries": len(context.queries)})
    structures = context.index.manifest["config"]["index"]["approximate"]
    if structures:
        results.tables["approximate"], results.rows["recall"] = approximate(context, structures, config.k)
    else:
        results.notes.append("the index has no structure for approximate search (index.approximate): all its answers are exact")
    if NA in offered(context.index):
        results.notes.append("for na-instances, instances without a shared neuron share the last place")
    return results


def correlations(found: Mapping[str, Scores], queries: list[str]) -> list[Row]:
    """Spearman's rho of each pair of methods for each query; what is no hit of a method ranks below all its hits."""
    filled = {method: np.where(np.isnan(each), -np.inf, each) for method, each in found.items()}
    return [
        {"query": query, "a": a, "b": b, "rho": spearman(filled[a][at], filled[b][at])}
        for a, b in combinations(found, 2)
        for at, query in enumerate(queries)
    ]


def approximate(context: Context, structures: list[str], k: int) -> tuple[list[Row], list[Row]]:
    """Recall at k against exact search, and how much of the exact hits' scores the approximate hits have."""
    rows: list[Row] = []
    for method in SCANNED:
        exact = hits(context, method, None, k)
        for structure in structures:
            if structure == "ivf" and method != "grad-cos":
                continue
            near = hits(context, method, structure, k)
            for query in exact:
                ids, values = exact[query]
                other, theirs = near[query]
                rows.append({
                    "query": query, "method": method, "structure": structure, "recall": shared(ids, other),
                    "lost": float(np.sum(values) - np.sum(theirs)) / (abs(float(np.sum(values))) or 1.0),
                })  # fmt: skip
    table = [
        {
            "method": method, "structure": structure, "measure": measure,
            **mean_interval(
                [row[measure] for row in rows if (row["method"], row["structure"]) == (method, structure)], context.seed
            ).columns(),
        }
        for method, structure in dict.fromkeys((row["method"], row["structure"]) for row in rows)
        for measure in ("recall", "lost")
    ]  # fmt: skip
    return table, rows


def hits(context: Context, method: str, structure: str | None, k: int) -> dict[str, tuple[list[str], list[float]]]:
    """Ids and scores of the k best of each query, exactly or by a structure."""
    k = min(k, context.index.instances)

    def build(batch: list[dict[str, Any]]) -> pb.AttributeStreamRequest:
        options = arguments(method, context.seed)
        request = calls.attribute_instances("", batch, k=k, label=context.label, approximate=structure, **options)
        return pb.AttributeStreamRequest(attribute_instances=request)

    found = context.ask(
        f"agreement/{method}-{structure or 'exact'}", context.queries, build, lines,
        settings={"method": method, "structure": structure, "k": k, "label": context.label},
    )  # fmt: skip
    return {line["query"]: (line["ids"], line["scores"]) for line in found}


def lines(answer: Any) -> Iterator[dict[str, Any]]:
    """One line a query: ids and scores of its hits."""
    for result in answer.results:
        yield {"query": result.query_id, "ids": [hit.id for hit in result.hits], "scores": [hit.score for hit in result.hits]}
