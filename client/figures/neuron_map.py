"""A query's neurons as a map: a row for each layer, units along it, a dot's size and strength by its score."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from attridex.client.figures.numbers import number
from attridex.v1.answers import NeuronScore
from attridex.v1.neurons import NeuronLayout

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 900, 74, 14, 8, 46
LARGEST = 8.0
"""Radius of the highest score's dot."""


@dataclass(frozen=True)
class Frame:
    """Where things lie: layers from the top down, units from left to right; lengths in pixels of the drawing."""

    layout: NeuronLayout

    @property
    def step(self) -> float:
        """Between layers: fewer layers get more room."""
        return max(15.0, min(30.0, 330 / self.layout.layers))

    @property
    def height(self) -> float:
        """Of the whole drawing."""
        return TOP + self.step * self.layout.layers + BOTTOM

    def x(self, place: float) -> float:
        """Where a unit is that stands at a place of its layer."""
        return round(LEFT + (WIDTH - LEFT - RIGHT) * place / max(1, self.layout.units - 1), 1)

    def y(self, layer: int) -> float:
        """Place of a layer."""
        return round(TOP + self.step * (layer + 0.5), 1)

    def ticks(self) -> list[int]:
        """Units that are labelled: quarters, and the last."""
        return sorted({round(part * (self.layout.units - 1) / 4) for part in range(5)})


def neuron_map(neurons: Sequence[NeuronScore], layout: NeuronLayout, label: str) -> Markup:
    """The map as an <svg> element; colours and text size come from the page's style.

    Args:
        neurons: what is drawn.
        layout: of the model's neurons.
        label: what the map shows, for who cannot see it.
    """
    frame = Frame(layout)
    top = max((abs(each.score) for each in neurons), default=0.0) or 1.0
    # Small dots are drawn last, so that none is covered.
    dots = [dot(frame, each, abs(each.score) / top) for each in sorted(neurons, key=lambda each: -abs(each.score))]
    parts = [*rows(frame), *axis(frame), *dots]
    return Markup('<svg class="map" role="img" aria-label="{}" viewBox="0 0 {} {:.0f}">{}</svg>').format(
        label, WIDTH, frame.height, Markup("").join(parts)
    )


def rows(frame: Frame) -> list[Markup]:
    """A line and a number for each layer."""
    return [
        Markup('<line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>').format(
            LEFT, WIDTH - RIGHT, frame.y(at), frame.y(at), LEFT - 14, frame.y(at) + 4, f"layer {at}"
        )
        for at in range(frame.layout.layers)
    ]


def axis(frame: Frame) -> list[Markup]:
    """Numbers of units below, and what they are."""
    below = frame.height - BOTTOM
    labels = [
        Markup('<text x="{}" y="{:.0f}" text-anchor="middle">{}</text>').format(frame.x(unit), below + 16, unit)
        for unit in frame.ticks()
    ]
    return [
        *labels,
        Markup('<text x="{}" y="{:.0f}" text-anchor="middle">{}</text>').format(
            frame.x((frame.layout.units - 1) / 2), below + 36, counted(frame.layout)
        ),
    ]


def counted(layout: NeuronLayout) -> str:
    """What is counted along a row."""
    return f"units, expert by expert ({layout.experts} of {layout.expert_units})" if layout.experts else "unit"


def full_name(neuron: NeuronScore) -> str:
    """A neuron in words."""
    return ", ".join(f"{part} {at}" for part, at in neuron.place.items())


def dot(frame: Frame, neuron: NeuronScore, strength: float) -> Markup:
    """A neuron; one that lowers the probability is hollow."""
    return Markup('<circle cx="{}" cy="{}" r="{:.1f}" opacity="{:.2f}"{}><title>{}</title></circle>').format(
        frame.x(frame.layout.place(neuron.neuron)), frame.y(neuron.layer),
        max(2.0, LARGEST * strength**0.5), 0.35 + 0.6 * strength,
        Markup(' class="hollow"' * (neuron.score < 0)), f"{full_name(neuron)}: {number(neuron.score)}",
    )  # fmt: skip
