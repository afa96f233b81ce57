"""Figures with lines: faithfulness against the number of neurons, accuracy against the share of instances."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from attridex.client.figures.drawing import new_figure, styled
from attridex.client.figures.numbers import number
from attridex.client.figures.palette import GREY, INK, SOFT, Look, look
from attridex.client.figures.tables import Row, distinct, pick
from attridex.client.figures.words import MODES, method_name

LABELS = {"unchanged": "share unchanged", "drop": "probability drop"}
MOST, LEAST = "most", "least"


def faithfulness(rows: Sequence[Row]) -> Figure:
    """Two measures (down) under two edits (across) against r, a line with its interval band for each method."""
    sizes = sorted(distinct(rows, "r"))
    methods = [method for method in distinct(rows, "method") if method != "any"]
    with styled():
        figure = new_figure(6.6 + 0.2 * (len(methods) // 4))
        panels = figure.subplots(2, 2, sharex=True, sharey="row")
        for axes_of_measure, (measure, label) in zip(panels, LABELS.items(), strict=True):
            for axes, mode in zip(axes_of_measure, MODES, strict=True):
                panel(axes, pick(rows, mode=mode, measure=measure), methods, sizes)
            axes_of_measure[0].set_ylabel(label)
        for axes, words in zip(panels[0], MODES.values(), strict=True):
            axes.set_title(words[0].upper() + words[1:])
        for axes in panels[1]:
            axes.set_xlabel("r, neurons named")
            axes.set_xticks(range(len(sizes)), [str(r) for r in sizes])
        legend(figure, panels[0][0], min(4, len(methods) + 1))
    return figure


def panel(axes: Axes, rows: Sequence[Row], methods: Sequence[str], sizes: Sequence[int]) -> None:
    """All methods under one edit by one measure; r = 0, which they share, is a diamond."""
    axes.grid(axis="y")
    start = pick(rows, method="any")
    for method in methods:
        own = sorted([*start, *pick(rows, method=method)], key=lambda row: int(row["r"]))
        own = [row for row in own if row["mean"] is not None]
        at = [sizes.index(row["r"]) for row in own]
        name = "random neurons" if method == "random" else method_name(method)
        curve(axes, at, own, look(method), name, bold=method == "na")
    for row in start:
        axes.plot(0, row["mean"], "D", color=INK, ms=6, zorder=9, label="r = 0, the edit alone")
        axes.vlines(0, row["low"], row["high"], color=INK, lw=1.4, zorder=9)


def curve(
    axes: Axes, at: Sequence[float], rows: Sequence[Row], how: Look, name: str, *, bold: bool = False, line: str | None = None
) -> None:
    """A line through means, with the band of their intervals."""
    low, high = ([row[end] if row[end] is not None else row["mean"] for row in rows] for end in ("low", "high"))
    axes.fill_between(at, low, high, color=how.colour, alpha=0.22 if bold else 0.05, lw=0)
    axes.plot(
        at, [row["mean"] for row in rows], color=how.colour, marker=how.marker, ls=line or how.line, label=name,
        lw=2.4 if bold else 1.5, ms=5.5 if bold else 4.5, mec="white", mew=0.6,
        zorder=4 if bold else 3,
    )  # fmt: skip


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend below all panels, in the order that methods stand in the tables."""
    handles, labels = axes.get_legend_handles_labels()
    known: dict[str, Any] = dict(zip(labels, handles, strict=True))
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=columns, handlelength=2.6)


def finetune(rows: Sequence[Row]) -> Figure:
    """Accuracy against the share of instances trained on: both ends of each ranking, random subsets, the whole pool."""
    rows = pick(rows, measure="accuracy")
    with styled():
        figure = new_figure(4.4)
        axes = figure.subplots()
        axes.grid(axis="y")
        for row in pick(rows, method="whole pool"):
            axes.axhline(row["mean"], color=INK, ls=":", lw=1.4, label="whole pool")
        random = sorted(pick(rows, method="random"), key=lambda row: float(row["fraction"]))
        if random:
            at = [row["fraction"] for row in random]
            axes.fill_between(at, [row["low"] for row in random], [row["high"] for row in random], color=GREY, alpha=0.25, lw=0)
            axes.plot(at, [row["mean"] for row in random], color=SOFT, ls="--", lw=1.8, label="random subsets")
        for method in distinct(rows, "method"):
            for end, line in ((MOST, "-"), (LEAST, "-.")):
                own = sorted(pick(rows, method=method, end=end), key=lambda row: float(row["fraction"]))
                if own:
                    name = f"{method_name(method)}, {end} influential"
                    curve(axes, [row["fraction"] for row in own], own, look(method), name, line=line)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{number(100 * share)} %"))
        axes.set_xticks(sorted(distinct([row for row in rows if row["method"] != "whole pool"], "fraction")))
        axes.set(xlabel="share of the pool trained on", ylabel="test accuracy", ylim=(-0.03, 1.03))
        legend(figure, axes, 3)
    return figure
