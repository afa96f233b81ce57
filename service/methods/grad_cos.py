"""Cosine of gradients."""

from collections.abc import Sequence

import numpy as np

from attridex.service.meaning import LOWERS, Meaning
from attridex.service.reading.asked import Asked, gradient_of
from attridex.service.scoring.method import GradientMethod, Space, unit
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion


class GradCos(GradientMethod):
    """The inner product without the lengths, so that no single instance of a large loss leads every list."""

    name = "grad-cos"
    summary = "cosine of the loss gradients of query and training instance"
    meaning = Meaning(LOWERS, "<g_query, g_train> / (|g_query| |g_train|), from -1 to 1")
    structures = ("ivf", "cagra", "rabitq", "sq8")
    weighted = False

    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """Gradients of length 1."""
        return Space(version.unit_gradients, unit(np.stack([gradient_of(version, one) for one in asked])))


METHOD = GradCos()
