"""Figures with a mark for each method: bars, dots, and histograms of layers."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attridex.client.figures.drawing import new_figure, styled
from attridex.client.figures.numbers import number
from attridex.client.figures.palette import GREY, INK, SOFT, Palette
from attridex.client.figures.tables import distinct, pick
from attridex.client.workbench.methods import method_name, short_name
from attridex.client.workbench.statistics import Row

COLUMNS = 4


@dataclass(frozen=True)
class Panel:
    """The marks of one measure.

    Attributes:
        rows: one for each method (or label), with mean, low and high.
        title: over it.
        label: along its bottom.
        labels: names of the rows, if they are not those of their methods.
        references: rows to compare with: dotted lines, and bands of their intervals.
        chance: a number to compare with, dotted.
        zero: whether 0 is marked by a line.
        shares: whether all values are from 0 to 1.
    """

    rows: Sequence[Row]
    title: str = ""
    label: str = ""
    labels: Sequence[str] = ()
    references: Sequence[Row] = ()
    chance: float | None = None
    zero: bool = False
    shares: bool = False


def heights(methods: int) -> float:
    """Inches of a panel with a line for each method."""
    return 1.0 + 0.29 * methods


def bar_panels(panels: Sequence[Panel], palette: Palette) -> Figure:
    """Panels side by side, a bar for each method."""
    titled = any(panel.title for panel in panels)
    with styled():
        figure = new_figure(heights(max(len(panel.rows) for panel in panels)) + 0.25 * titled)
        for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
            bars(axes, panel.rows, palette, 1.35 if len(panels) > 1 else 1.12)
            compare(axes, panel)
            if panel.shares:
                axes.set(xlim=(0, 1.25), xticks=(0, 0.25, 0.5, 0.75, 1))
            elif len(panels) > 1:
                axes.locator_params(axis="x", nbins=4)
    return figure


def dot_panels(panels: Sequence[Panel], palette: Palette) -> Figure:
    """Panels in rows of at most `COLUMNS`, a dot with its interval for each method."""
    across = min(COLUMNS, len(panels))
    down = -(-len(panels) // across)
    below = 0.25 if any(panel.label for panel in panels) else 0.2
    with styled():
        figure = new_figure(down * (heights(max(len(panel.rows) for panel in panels)) + below))
        places = list(figure.subplots(down, across, sharey=True, squeeze=False).flat)
        for axes, panel in zip(places, panels, strict=False):
            dots(axes, panel.rows, palette, panel.labels)
            compare(axes, panel)
            widen(axes)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
    return figure


def compare(axes: Axes, panel: Panel) -> None:
    """What a panel's marks are held against, references as a dotted line and the band of their interval; and its words."""
    for row in panel.references:
        axes.axvspan(row["low"], row["high"], color=GREY, alpha=0.25, lw=0, zorder=1.5)
        axes.axvline(row["mean"], color=SOFT, lw=1.6, ls=":", zorder=6)
    if panel.chance is not None:
        axes.axvline(panel.chance, color=INK, lw=1.4, ls=":", zorder=6)
    if panel.zero:
        axes.axvline(0, color=INK, lw=0.8)
    if panel.title:
        axes.set_title(capital(panel.title))
    if panel.label:
        axes.set_xlabel(panel.label)


def layer_histograms(rows: Sequence[Row], palette: Palette, outline: str) -> Figure:
    """A panel for each method: the share of its neurons in each layer, with those of one method outlined to compare with."""
    methods, count = distinct(rows, "method"), 1 + max(int(row["layer"]) for row in rows)
    across = min(COLUMNS, len(methods))
    down = -(-len(methods) // across)
    beside = [row["share"] for row in pick(rows, method=outline)]
    with styled():
        figure = new_figure(0.5 + 1.55 * down)
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, method in zip(panels.flat, methods, strict=False):
            own = pick(rows, method=method)
            shares = [row["share"] for row in own]
            axes.bar([row["layer"] for row in own], shares, color=palette.look(method).colour, width=1.0, ec="white", lw=0.6)
            if beside and method != outline:
                axes.stairs(beside, [at - 0.5 for at in range(count + 1)], color=INK, lw=1.3, ls=(0, (2, 1.5)))
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


def name_rows(axes: Axes, rows: Sequence[Row], labels: Sequence[str] = ()) -> list[int]:
    """Methods (or labels of their rows) from the top down; where each stands."""
    axes.set_yticks(range(len(rows)), labels or [method_name(row["method"]) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    return list(range(len(rows)))


def bars(axes: Axes, rows: Sequence[Row], palette: Palette, room: float) -> None:
    """Bars from 0 with intervals, and the mean in figures at their end.

    Args:
        axes: where.
        rows: one for each method, from the top down.
        palette: looks of the methods.
        room: length of the axis, as a multiple of the longest bar.
    """
    at = name_rows(axes, rows)
    means = [row["mean"] or 0.0 for row in rows]
    axes.barh(at, means, color=[palette.look(row["method"]).colour for row in rows], height=0.66, zorder=2)
    intervals(axes, at, rows, [INK] * len(rows), 1.3)
    ends = [max(0.0, mean, row["high"] or 0.0) for mean, row in zip(means, rows, strict=True)]
    for place, end, row in zip(at, ends, rows, strict=True):
        axes.annotate(
            number(row["mean"]), (end, place), (5, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK, zorder=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )  # fmt: skip
    low = min(0.0, *(row["low"] or 0.0 for row in rows))
    axes.set_xlim(low * 1.08, max(ends) * room or 1.0)


def dots(axes: Axes, rows: Sequence[Row], palette: Palette, labels: Sequence[str] = ()) -> None:
    """Means with intervals.

    Args:
        axes: where.
        rows: one for each method, from the top down.
        palette: looks of the methods.
        labels: names of the rows, if they are not those of their methods.
    """
    at = name_rows(axes, rows, labels)
    looks = [palette.look(row["method"]) for row in rows]
    intervals(axes, at, rows, [how.colour for how in looks], 2.2)
    for place, row, how in zip(at, rows, looks, strict=True):
        if row["mean"] is not None:
            axes.plot(row["mean"], place, marker=how.marker, color=how.colour, ms=7, mec="white", mew=0.6, zorder=5)


def intervals(axes: Axes, at: Sequence[int], rows: Sequence[Row], colours: Sequence[str], width: float) -> None:
    """Lines from low to high; a mean may lie outside its bootstrap interval, so these are not error bars around it.

    Args:
        axes: where.
        at: place of each row.
        rows: with low and high.
        colours: of each line.
        width: of the lines, in points.
    """
    for place, row, colour in zip(at, rows, colours, strict=True):
        if row["low"] is not None and row["high"] is not None:
            axes.hlines(place, row["low"], row["high"], color=colour, lw=width, zorder=4)
