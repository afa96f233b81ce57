"""From a matplotlib figure to files and to the page: the same bytes for the same results."""

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from attridex.client.figures.palette import INK, PALE, RULE, SOFT

WIDTH = 9.8
"""Inches; as wide as the page's column."""
STYLE: Mapping[str, object] = {
    "svg.hashsalt": "attridex", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlecolor": INK,
    "axes.labelsize": 9, "axes.labelcolor": INK, "axes.edgecolor": SOFT, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "grid.color": PALE, "grid.linewidth": 1.0,
    "xtick.color": SOFT, "xtick.labelcolor": INK, "xtick.labelsize": 8.5,
    "ytick.color": SOFT, "ytick.labelcolor": INK, "ytick.labelsize": 8.5,
    "legend.frameon": False, "legend.fontsize": 8.5, "hatch.color": RULE,
}  # fmt: skip
PNG_DPI = 160


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it.

    Attributes:
        name: of its files, without the ending.
        figure: what is drawn.
        alt: what it shows, for who cannot see it.
        caption: what a reader needs to read it.
    """

    name: str
    figure: Figure
    alt: str
    caption: str

    @property
    def width(self) -> int:
        """In CSS pixels, at which its text has the size that it was drawn with."""
        return round(self.figure.get_figwidth() * 96)

    @property
    def height(self) -> int:
        """In CSS pixels."""
        return round(self.figure.get_figheight() * 96)

    @property
    def least(self) -> int:
        """The width at which the smallest text is still 8 points high; narrower windows scroll."""
        return -(-self.width * 80 // 85)

    def svg(self) -> bytes:
        """As SVG, without a date; what was laid out for it stays so for the PNG."""
        found = rendered(self.figure, "svg", metadata={"Date": None})
        self.figure.set_layout_engine("none")
        return found

    def png(self) -> bytes:
        """As PNG."""
        return rendered(self.figure, "png", dpi=PNG_DPI, metadata={"Software": None})


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure; everything on it is drawn under `STYLE`, see `styled`."""
    return Figure(figsize=(width, height), layout="constrained")


@contextmanager
def styled() -> Iterator[None]:
    """The context that figures are drawn and saved in; settings of the user's own matplotlib do not reach it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def rendered(figure: Figure, kind: str, **options: Any) -> bytes:
    """A figure's file."""
    stream = io.BytesIO()
    with styled():
        figure.savefig(stream, format=kind, facecolor="white", **options)
    return stream.getvalue()


def data_uri(svg: bytes) -> str:
    """An SVG inside an address, so that the page needs no other file."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def picture(name: str, figure: Figure, alt: str, caption: str) -> Picture:
    """A figure of the page; what it shows stands in the tables below it too, which is said to who cannot see it.

    Args:
        name: of its files, without the ending.
        figure: what is drawn.
        alt: what it shows.
        caption: what a reader needs to read it.
    """
    return Picture(name, figure, f"{alt} All values are in the tables below.", caption)
