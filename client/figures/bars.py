"""Figures with a mark for each method: bars, dots, and histograms of layers."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attridex.client.figures.drawing import new_figure, styled
from attridex.client.figures.numbers import number
from attridex.client.figures.palette import GREY, INK, SOFT, look
from attridex.client.figures.tables import Row, distinct, pick
from attridex.client.figures.words import DIVERSITY, marker_name, method_name, part_name, short_name

COLUMNS = 4


def heights(methods: int) -> float:
    """Inches of a panel with a line for each method."""
    return 1.0 + 0.29 * methods


def lds(rows: Sequence[Row]) -> Figure:
    """Bars of the score of each method."""
    rows = pick(rows, measure="lds")
    with styled():
        figure = new_figure(heights(len(rows)))
        axes = figure.subplots()
        bars(axes, rows, room=1.12)
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_xlabel("linear datamodelling score (Spearman\u2019s \u03c1)")
    return figure


def mislabel(rows: Sequence[Row], chance: Mapping[str, float]) -> Figure:
    """Bars of AUC and of precision of each signal, with what chance gives dotted."""
    titles = {"auc": "AUC", "precision": "Precision at the number of wrong labels"}
    with styled():
        figure = new_figure(heights(len(distinct(rows, "method"))) + 0.25)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (measure, title) in zip(panels, titles.items(), strict=True):
            bars(axes, pick(rows, measure=measure))
            if measure in chance:
                axes.axvline(chance[measure], color=INK, lw=1.4, ls=":", zorder=6)
            axes.set(title=title, xlim=(0, 1.25), xticks=(0, 0.25, 0.5, 0.75, 1))
    return figure


def diversity(rows: Sequence[Row]) -> Figure:
    """A panel for each measure: bars beside the band that random sets fall into."""
    measures = distinct(rows, "measure")
    methods = [method for method in distinct(rows, "method") if method != "random sets"]
    with styled():
        figure = new_figure(heights(len(methods)) + 0.25)
        panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axes, measure in zip(panels, measures, strict=True):
            own = [row for row in pick(rows, measure=measure) if row["method"] != "random sets"]
            bars(axes, own)
            for row in pick(rows, measure=measure, method="random sets"):
                reference(axes, row)
            axes.set_title(capital(DIVERSITY.get(measure, measure)))
            axes.locator_params(axis="x", nbins=4)
    return figure


def artefacts(rows: Sequence[Row]) -> Figure:
    """A panel for each marker: a dot with its interval for each method, the corpus's base rate dotted."""
    markers = distinct(rows, "marker")
    methods = [method for method in distinct(rows, "method") if method != "whole corpus"]
    across = min(COLUMNS, len(markers))
    down = -(-len(markers) // across)
    with styled():
        figure = new_figure(down * (heights(len(methods)) + 0.2))
        panels = list(figure.subplots(down, across, sharey=True, squeeze=False).flat)
        for axes, marker in zip(panels, markers, strict=False):
            own = pick(rows, marker=marker)
            dots(axes, [row for row in firsts(own) if row["method"] != "whole corpus"])
            for row in pick(own, method="whole corpus")[:1]:
                reference(axes, row)
            axes.set_title(capital(marker_name(marker)))
            widen(axes)
        for axes in panels[len(markers) :]:
            axes.set_visible(False)
    return figure


def finetune_one_size(rows: Sequence[Row]) -> Figure:
    """Accuracy where all parts are of one size: a dot with its interval for each part, random subsets as a band."""
    own = [row for row in rows if row["method"] != "random"]
    with styled():
        figure = new_figure(heights(len(own)) + 0.25)
        axes = figure.subplots()
        dots(axes, own, [capital(part_name(row)) for row in own])
        for row in pick(rows, method="random"):
            reference(axes, row)
        axes.set_xlabel("test accuracy")
        widen(axes)
    return figure


def layers(rows: Sequence[Row]) -> Figure:
    """A panel for each method: the share of its neurons in each layer, with NA's as an outline to compare with."""
    methods, count = distinct(rows, "method"), 1 + max(int(row["layer"]) for row in rows)
    across = min(COLUMNS, len(methods))
    down = -(-len(methods) // across)
    na = [row["share"] for row in pick(rows, method="na")]
    with styled():
        figure = new_figure(0.5 + 1.55 * down)
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, method in zip(panels.flat, methods, strict=False):
            own = pick(rows, method=method)
            axes.bar(
                [row["layer"] for row in own],
                [row["share"] for row in own],
                color=look(method).colour,
                width=1.0,
                ec="white",
                lw=0.6,
            )
            if na and method != "na":
                axes.stairs(na, [at - 0.5 for at in range(count + 1)], color=INK, lw=1.3, ls=(0, (2, 1.5)))
            axes.set_title(short_name(method))
            axes.xaxis.get_major_locator().set_params(integer=True)
        for axes in panels.flat[len(methods) :]:
            axes.set_visible(False)
        for axes in panels.flat[max(0, len(methods) - across) : len(methods)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel("layer", fontsize=9)
        figure.supylabel("share of its neurons", fontsize=9)
    return figure


def capital(text: str) -> str:
    """A title's first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def widen(axes: Axes, least: float = 0.1) -> None:
    """Some room beside the marks, also where all of them are the same number."""
    low, high = axes.dataLim.intervalx
    room = max(0.12 * (high - low), (least - (high - low)) / 2)
    # A share is never below 0, so no more is shown there than a mark needs.
    axes.set_xlim(low - room if low < 0 else max(low - room, -0.06 * (high + room)), high + room)
    axes.locator_params(axis="x", nbins=4)


def firsts(rows: Sequence[Row]) -> list[Row]:
    """The first row of each method."""
    return list({row["method"]: row for row in reversed(rows)}.values())[::-1]


def names(axes: Axes, rows: Sequence[Row], labels: Sequence[str] = ()) -> list[int]:
    """Methods (or labels of their rows) from the top down; where each stands."""
    axes.set_yticks(range(len(rows)), labels or [method_name(row["method"]) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    return list(range(len(rows)))


def bars(axes: Axes, rows: Sequence[Row], *, room: float = 1.35) -> None:
    """Bars from 0 with intervals, and the mean in figures at their end."""
    at = names(axes, rows)
    means = [row["mean"] or 0.0 for row in rows]
    axes.barh(at, means, color=[look(row["method"]).colour for row in rows], height=0.66, zorder=2)
    intervals(axes, at, rows)
    ends = [max(0.0, mean, row["high"] or 0.0) for mean, row in zip(means, rows, strict=True)]
    for place, end, row in zip(at, ends, rows, strict=True):
        axes.annotate(
            number(row["mean"]), (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK, zorder=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )  # fmt: skip
    low = min(0.0, *(row["low"] or 0.0 for row in rows))
    axes.set_xlim(low * 1.08, max(ends) * room or 1.0)


def dots(axes: Axes, rows: Sequence[Row], labels: Sequence[str] = ()) -> None:
    """Means with intervals."""
    at = names(axes, rows, labels)
    intervals(axes, at, rows, own=True)
    for place, row in zip(at, rows, strict=True):
        how = look(row["method"])
        if row["mean"] is not None:
            axes.plot(row["mean"], place, marker=how.marker, color=how.colour, ms=7, mec="white", mew=0.6, zorder=5)


def intervals(axes: Axes, at: Sequence[int], rows: Sequence[Row], *, own: bool = False) -> None:
    """Lines from low to high; a mean may lie outside its bootstrap interval, so these are not error bars around it."""
    for place, row in zip(at, rows, strict=True):
        if row["low"] is not None and row["high"] is not None:
            colour = look(row["method"]).colour if own else INK
            axes.hlines(place, row["low"], row["high"], color=colour, lw=2.2 if own else 1.3, zorder=4)


def reference(axes: Axes, row: Row) -> None:
    """What to compare with: a dotted line and the band of its interval."""
    axes.axvspan(row["low"], row["high"], color=GREY, alpha=0.25, lw=0, zorder=1.5)
    axes.axvline(row["mean"], color=SOFT, lw=1.6, ls=":", zorder=6)
