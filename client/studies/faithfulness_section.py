"""The section of the study of faithfulness."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attridex.client.figures.numbers import number
from attridex.client.figures.palette import REFERENCE, Palette
from attridex.client.figures.tables import Axis, distinct, pick, pivot
from attridex.client.studies.base import Contents, KeyNumber, measured_rows
from attridex.client.workbench.methods import NA, method_name
from attridex.client.workbench.results import StudyResult
from attridex.client.workbench.statistics import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANY, RANDOM = "any", "random"
"""Rows of no neuron, which is the same for every method, and of random ones."""
MODES = {"suppress": "Suppress the top r", "keep": "Keep only the top r"}
MEASURES = {"unchanged": "share of predictions unchanged", "drop": "drop of the predicted label\u2019s probability"}
LABELS = {"unchanged": "share unchanged", "drop": "probability drop"}


def faithfulness_section(result: StudyResult, palette: Palette) -> Contents:
    """Two measures under two edits."""
    from attridex.client.figures.drawing import picture

    rows = result.rows("faithfulness")
    drawn = picture(
        "faithfulness", faithfulness_curves(rows, palette.adding({RANDOM: REFERENCE})),
        "Four line charts against the number of neurons r: share of predictions unchanged and drop of probability, for "
        "suppressing and for keeping the top r neurons of each method.",
        "Top: share of predictions that the edit leaves unchanged. Bottom: by how much the predicted label\u2019s probability "
        "falls. The diamond at r = 0 is the edit alone. Bands are 95 % bootstrap intervals over queries.",
    )  # fmt: skip
    methods = tuple(method for method in distinct(rows, "method") if method != ANY)
    # What r = 0 does is the same for every method.
    spread = [*rows, *({**row, "method": method} for row in pick(rows, method=ANY) for method in methods)]
    down = Axis("method", "neurons by", method_name, methods)
    across = Axis("r", "r", lambda r: f"r = {r}", tuple(sorted(distinct(rows, "r"))))
    tables = [
        pivot(pick(spread, mode=mode, measure=measure), down, across, f"{title}: {label}", folded=True)
        for measure, label in MEASURES.items()
        for mode, title in MODES.items()
    ]
    used = pick(spread, mode="suppress", measure="unchanged")
    caption = "Neurons edited on average (a method may name fewer than r)"
    return Contents([drawn], [*tables, pivot(used, down, across, caption, text=lambda row: number(row["used"]), folded=True)])


def faithfulness_curves(rows: Sequence[Row], palette: Palette) -> "Figure":
    """Two measures (down) under two edits (across) against r, a line with its interval band for each method."""
    from attridex.client.figures.drawing import new_figure, styled
    from attridex.client.figures.lines import legend

    sizes = sorted(distinct(rows, "r"))
    methods = [method for method in distinct(rows, "method") if method != ANY]
    with styled():
        figure = new_figure(6.6 + 0.2 * (len(methods) // 4))
        panels = figure.subplots(2, 2, sharex=True, sharey="row")
        for axes_of_measure, (measure, label) in zip(panels, LABELS.items(), strict=True):
            for axes, mode in zip(axes_of_measure, MODES, strict=True):
                curve_panel(axes, pick(rows, mode=mode, measure=measure), methods, sizes, palette)
            axes_of_measure[0].set_ylabel(label)
        for axes, title in zip(panels[0], MODES.values(), strict=True):
            axes.set_title(title)
        for axes in panels[1]:
            axes.set_xlabel("r, neurons named")
            axes.set_xticks(range(len(sizes)), [str(r) for r in sizes])
        legend(figure, panels[0][0], min(4, len(methods) + 1))
    return figure


def curve_panel(axes: "Axes", rows: Sequence[Row], methods: Sequence[str], sizes: Sequence[int], palette: Palette) -> None:
    """All methods under one edit by one measure; r = 0, which they share, is a diamond.

    Args:
        axes: where.
        rows: of this edit and measure.
        methods: in the order of the legend.
        sizes: all r, in the order of the axis.
        palette: looks of the methods.
    """
    from attridex.client.figures.lines import curve, start

    axes.grid(axis="y")
    shared = pick(rows, method=ANY)
    for method in methods:
        own = sorted([*shared, *pick(rows, method=method)], key=lambda row: int(row["r"]))
        own = [row for row in own if row["mean"] is not None]
        at = [sizes.index(row["r"]) for row in own]
        name = "random neurons" if method == RANDOM else method_name(method)
        curve(axes, at, own, palette.look(method), name, bold=method == NA.name)
    for row in shared:
        start(axes, row, "r = 0, the edit alone")


def faithfulness_key_numbers(result: StudyResult) -> Iterator[KeyNumber]:
    """Predictions unchanged: the smallest set kept, the largest suppressed, each beside what it must be compared with."""
    rows = pick(measured_rows(result, "faithfulness"), measure="unchanged")
    named = sorted(r for r in distinct(rows, "r") if r)
    if not named or not pick(rows, method=NA.name):
        return
    for mode, r in (("keep", named[0]), ("suppress", named[-1])):
        neurons = "neuron" if r == 1 else f"{r} neurons"
        what = f"keeping only the top {neurons} by NA" if mode == "keep" else f"suppressing the top {neurons} by NA"
        beside = [("no neuron kept", 0, ANY)] if mode == "keep" else []
        notes = [
            f"{words} {number(row['mean'])}"
            for words, size, method in [*beside, ("random neurons", r, RANDOM)]
            for row in pick(rows, mode=mode, r=size, method=method)
        ]
        compared = f" ({', '.join(notes)})" if notes else ""
        for row in pick(rows, method=NA.name, mode=mode, r=r):
            yield KeyNumber.of(row, f"of predictions unchanged when {what}{compared}")
