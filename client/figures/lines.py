"""Lines through means with the bands of their intervals, and one legend for all panels of a figure."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from attridex.client.figures.numbers import number
from attridex.client.figures.palette import GREY, INK, SOFT, Look
from attridex.client.workbench.statistics import Row


def curve(
    axes: Axes, at: Sequence[float], rows: Sequence[Row], how: Look, name: str, *, bold: bool = False, line: str | None = None
) -> None:
    """A line through means, with the band of their intervals.

    Args:
        axes: where.
        at: place of each row.
        rows: means with their intervals.
        how: look of the line.
        name: in the legend.
        bold: whether it stands out.
        line: kind of line, if it is not the look's.
    """
    low, high = ([row[end] if row[end] is not None else row["mean"] for row in rows] for end in ("low", "high"))
    axes.fill_between(at, low, high, color=how.colour, alpha=0.22 if bold else 0.05, lw=0)
    axes.plot(
        at, [row["mean"] for row in rows], color=how.colour, marker=how.marker, ls=line or how.line, label=name,
        lw=2.4 if bold else 1.5, ms=5.5 if bold else 4.5, mec="white", mew=0.6,
        zorder=4 if bold else 3,
    )  # fmt: skip


def band(axes: Axes, at: Sequence[float], rows: Sequence[Row], name: str) -> None:
    """What to compare with: a dashed line and the band of its interval.

    Args:
        axes: where.
        at: place of each row.
        rows: means with their intervals.
        name: in the legend.
    """
    axes.fill_between(at, [row["low"] for row in rows], [row["high"] for row in rows], color=GREY, alpha=0.25, lw=0)
    axes.plot(at, [row["mean"] for row in rows], color=SOFT, ls="--", lw=1.8, label=name)


def start(axes: Axes, row: Row, name: str) -> None:
    """The point that all curves begin at, as a diamond with its interval."""
    axes.plot(0, row["mean"], "D", color=INK, ms=6, zorder=9, label=name)
    axes.vlines(0, row["low"], row["high"], color=INK, lw=1.4, zorder=9)


def per_cent(axes: Axes, shares: Sequence[float]) -> None:
    """Shares along the bottom, as per cent."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{number(100 * share)} %"))
    axes.set_xticks(shares)


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend below all panels, in the order that methods stand in the tables."""
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=columns, handlelength=2.6)
