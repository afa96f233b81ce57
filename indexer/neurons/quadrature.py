"""Rules for the integral of integrated gradients over the path from the zero baseline to the activations."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Rule = Literal["riemann", "gauss-legendre", "gradient"]


@dataclass(frozen=True)
class Quadrature:
    """Points on the path, 0 to 1, and their weights, whose sum is 1 over the whole of it."""

    points: tuple[float, ...]
    weights: tuple[float, ...]

    @property
    def edited(self) -> "Quadrature":
        """The points before the end of the path, where activations are others than the text's own; weights as they are."""
        kept = [(point, weight) for point, weight in zip(self.points, self.weights, strict=True) if point != 1]
        return Quadrature(tuple(point for point, _ in kept), tuple(weight for _, weight in kept))

    @property
    def unedited(self) -> float:
        """Weight of the end of the path, the activations themselves."""
        return sum((weight for point, weight in zip(self.points, self.weights, strict=True) if point == 1), 0.0)


GRADIENT = Quadrature((1.0,), (1.0,))
"""One point, the activations themselves: activation times gradient."""


def quadrature(rule: Rule, steps: int) -> Quadrature:
    """The points and weights of a rule.

    `riemann` is that of Yu et al. (ACL 2024): `steps` points including both ends, equal weights. `gauss-legendre` is exact
    for polynomials up to degree 2 steps - 1. `gradient` takes the activations alone: activation times gradient.
    """
    if rule == "gradient":
        return GRADIENT
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        return Quadrature(tuple(map(float, (nodes + 1) / 2)), tuple(map(float, weights / 2)))
    return Quadrature(tuple(map(float, np.linspace(0, 1, steps))), (1.0 / steps,) * steps)
