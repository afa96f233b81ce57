"""Heat maps of pairs of methods, the numbers in their cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from attridex.client.figures.drawing import WIDTH, new_figure, styled
from attridex.client.figures.numbers import MINUS
from attridex.client.figures.palette import INK, PALE
from attridex.client.figures.tables import distinct
from attridex.client.workbench.methods import short_name
from attridex.client.workbench.statistics import Row

LABELS = 1.45
"""Inches for the names of methods beside a map."""
LEAST, LARGEST = 0.36, 0.5
"""Inches of a cell's side."""


@dataclass(frozen=True)
class Heat:
    """One map: rows with a, b and mean.

    Attributes:
        title: over the map.
        rows: of the table.
        symmetric: whether (a, b) stands for (b, a) too; only one of them is drawn.
    """

    title: str
    rows: Sequence[Row]
    symmetric: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """Names along both sides, as they come."""
        return tuple(dict.fromkeys([*distinct(self.rows, "a"), *distinct(self.rows, "b")]))


def heat_maps(maps: Sequence[Heat]) -> Figure:
    """Maps side by side, or one below the other where their cells would be too small for numbers."""
    cells = max(len(each.methods) for each in maps)
    beside = len(maps) > 1 and WIDTH / len(maps) - LABELS >= LEAST * cells
    across = len(maps) if beside else 1
    side = min(LARGEST, (WIDTH / across - LABELS) / cells)
    down = len(maps) // across
    with styled():
        width = WIDTH if beside else max(5.2, side * cells + LABELS + 0.3)  # a title must fit
        figure = new_figure(down * (side * cells + LABELS - 0.1), width)
        for axes, each in zip(figure.subplots(down, across, squeeze=False).flat, maps, strict=True):
            heat(axes, each)
    return figure


def heat(axes: Axes, drawn: Heat) -> None:
    """One map: rows a, columns b, the diagonal left out."""
    methods = drawn.methods
    values = pair_means(drawn)
    low, colours = (-1.0, "RdBu") if np.nanmin(np.append(values, 0.0)) < 0 else (0.0, "Blues")
    # A part of the colours, so that text stays legible on all of them.
    axes.imshow(np.where(np.eye(len(methods)), 0.0, np.nan), cmap=ListedColormap([PALE]))
    axes.imshow(values, cmap=colours, vmin=1.4 * low, vmax=1.4)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if abs(value) > 0.88 else INK
            axes.text(column, row, f"{value:z.2f}".replace("-", MINUS), ha="center", va="center", fontsize=8.5, color=ink)
    names = [short_name(method) for method in methods]
    axes.set_xticks(range(len(methods)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(methods)), names)
    axes.set_title(drawn.title)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def pair_means(drawn: Heat) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Means [a, b]; NaN where there is none. Of a symmetric table the part under the diagonal."""
    place = {method: at for at, method in enumerate(drawn.methods)}
    values = np.full((len(place), len(place)), np.nan)
    for row in drawn.rows:
        a, b = place[row["a"]], place[row["b"]]
        if drawn.symmetric:
            a, b = max(a, b), min(a, b)
        values[a, b] = np.nan if row["mean"] is None else row["mean"]
    return values
