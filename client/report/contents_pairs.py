"""Sections of studies that compare methods by pairs: overlap and agreement."""

from collections.abc import Mapping, Sequence
from typing import Any

from attridex.client.figures import bars as figures_bars
from attridex.client.figures.captions import picture
from attridex.client.figures.drawing import Picture
from attridex.client.figures.heat import Heat, heat_maps
from attridex.client.figures.numbers import interval, number
from attridex.client.figures.tables import Axis, Row, Table, distinct, pivot, shade
from attridex.client.figures.words import method_name

Result = Mapping[str, Any]
Contents = tuple[Sequence[Picture], Sequence[Table]]
METHOD = Axis("method", "method", method_name)


def overlap(result: Result) -> Contents:
    """Pairs of methods, unique ones, layers."""
    tables, k, r = result["tables"], number(result["facts"]["k"]), number(result["facts"]["r"])
    shared = [
        (what, size, tables[f"shared_{what}"])
        for what, size in (("instances", k), ("neurons", r)) if tables.get(f"shared_{what}")
    ]  # fmt: skip
    pictures, found = [], []
    if shared:
        maps = [Heat(f"Top {size} {what}: share of A in B", rows) for what, size, rows in shared]
        pictures.append(picture("overlap", heat_maps(maps)))
    for name, what in (("unique_instances", f"top {k} instances"), ("unique_top_neurons", "top neuron")):
        if tables.get(name):
            found.append(unique(tables[name], f"Different ones over all queries, of each query\u2019s {what}"))
    for what, _, rows in shared:
        found.append(pairs(rows, f"Shared {what}: share of A\u2019s (rows) that B (columns) finds too"))
    if tables.get("layers"):
        pictures.append(picture("overlap-layers", figures_bars.layers(tables["layers"]), r=r))
        found.append(layers(tables["layers"]))
    return pictures, found


def layers(rows: Sequence[Row]) -> Table:
    """Shares of layers, with how many neurons they are: n is a count of its own here, not of units behind a mean."""
    counted = [{**{key: value for key, value in row.items() if key != "n"}, "held": row["n"]} for row in rows]
    return pivot(
        counted, METHOD, Axis("layer", "layer", lambda layer: f"layer {layer}"), "Share of neurons in each layer (and how many)",
        text=lambda row: f"{number(row['share'])} ({number(row['held'])})", folded=True,
    )  # fmt: skip


def unique(rows: Sequence[Row], caption: str) -> Table:
    """How many different ones, and their share of all places."""
    long = [{**row, "what": what} for row in rows for what in ("different", "share")]
    names = {"different": "different ones", "share": "share of all places"}
    return pivot(
        long, METHOD, Axis("what", "", names.__getitem__), caption,
        text=lambda row: number(row["unique"]) if row["what"] == "different" else interval(row),
    )  # fmt: skip


def agreement(result: Result) -> Contents:
    """Rank correlations, and what approximate search finds of the exact hits."""
    pictures, tables = [], []
    if rows := result["tables"].get("rank_correlation"):
        pictures.append(picture("agreement", heat_maps([Heat("Rank correlation over all instances", rows, symmetric=True)])))
        both = [*rows, *({**row, "a": row["b"], "b": row["a"]} for row in rows)]
        tables.append(pairs(both, "Spearman\u2019s \u03c1 of each pair of methods"))
    if rows := result["tables"].get("approximate"):
        named = [{**row, "pair": f"{method_name(row['method'])}, {row['structure']}"} for row in rows]
        names = {"recall": f"recall at {result['config']['k']}", "lost": "share of the score lost"}
        down, across = Axis("pair", "method, structure"), Axis("measure", "", lambda what: names.get(what, what))
        tables.append(pivot(named, down, across, "Approximate search against exact search"))
    return pictures, tables


def pairs(rows: Sequence[Row], caption: str, *, folded: bool = True) -> Table:
    """Pairs of methods as a matrix with tinted cells."""
    across = Axis("b", "B", method_name, tuple(dict.fromkeys([*distinct(rows, "a"), *distinct(rows, "b")])))
    return pivot(rows, Axis("a", "A", method_name, across.values), across, caption, tint=shade, folded=folded)
