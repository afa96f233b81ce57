"""The demo's figures and page: pure functions of what the service answered."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attridex.client.demo.findings import DemoFindings

mpl.use("Agg")
INK, ACCENT, SECOND, PALE = "#334155", "#c2410c", "#0f766e", "#cbd5e1"
MOST_DIGITS = 8
"""Digits of a score, stored in float32, at most."""


def demo_figure(findings: DemoFindings) -> Figure:
    """Three panels: who is suspicious, how well each signal finds flipped labels, and what retrieved instances overlap."""
    drawn = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = drawn.subplots(1, 3)
    flipped = np.array(findings.flipped)[np.argsort(-np.array(findings.suspicion), kind="stable")]
    left.plot(
        np.arange(1, len(flipped) + 1) / len(flipped),
        flipped.cumsum() / flipped.sum(),
        color=ACCENT,
        lw=2,
        label="by self-influence",
    )
    left.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", label="by chance")
    left.set(xlabel="share of the corpus looked at", ylabel="share of flipped labels found", title="Flipped labels come first")
    left.legend(frameon=False, loc="lower right")
    draw_bars(middle, {name: value.auc for name, value in findings.detection.items()}, "AUC", 0.5)
    middle.set_title("Finding 5 % flipped labels")
    draw_bars(right, findings.overlaps, "hypothesis words that the premise has", next(iter(findings.overlaps.values())))
    right.set_title("Overlap of retrieved instances")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(11)
    return drawn


def draw_bars(axes: Axes, values: Mapping[str, float], label: str, line: float) -> None:
    """Horizontal bars with their numbers, and a line to compare with.

    Args:
        axes: where.
        values: by name, from the top down.
        label: what they are.
        line: place of the line.
    """
    names = list(values)[::-1]
    colours = [PALE if name in ("random", "whole corpus") else SECOND if name.startswith("NA") else ACCENT for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours)
    axes.bar_label(drawn, fmt="%.3f", padding=3)
    axes.axvline(line, color=INK, lw=1, ls=":")
    axes.set(xlabel=label, xlim=(0, 1.2), xticks=(0, 0.25, 0.5, 0.75, 1))


def as_svg(drawn: Figure) -> str:
    """A figure as an <svg> element."""
    stream = io.StringIO()
    drawn.savefig(stream, format="svg", transparent=False, metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def as_png(drawn: Figure) -> bytes:
    """A figure as PNG."""
    stream = io.BytesIO()
    drawn.savefig(stream, format="png", dpi=150)
    return stream.getvalue()


def told_apart(scores: Sequence[float]) -> list[str]:
    """Scores with as few digits, three at least, as tell those apart that differ."""
    for digits in range(3, MOST_DIGITS):
        found = [f"{score:.{digits}g}" for score in scores]
        if len(set(found)) == len(set(scores)):
            return found
    return [f"{score:.{MOST_DIGITS}g}" for score in scores]


def demo_page(context: Mapping[str, Any]) -> str:
    """The HTML page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("attridex.client", "templates"), autoescape=True, undefined=StrictUndefined)
    environment.filters["told_apart"] = told_apart
    return environment.get_template("demo.html").render(**context)
