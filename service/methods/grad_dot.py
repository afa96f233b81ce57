"""Inner product of gradients."""

from collections.abc import Sequence

import numpy as np

from attridex.service.meaning import LOWERS, Meaning
from attridex.service.reading.asked import Asked, gradient_of
from attridex.service.scoring.method import GradientMethod, Space
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion


class GradDot(GradientMethod):
    """The first-order change of the query's loss by a step on the training instance."""

    name = "grad-dot"
    summary = "inner product of the loss gradients of query and training instance"
    meaning = Meaning(LOWERS, "<g_query, g_train>, inner product of loss gradients (projected where the index projects)")

    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """Gradients as they are."""
        return Space(version.gradients, np.stack([gradient_of(version, one) for one in asked]))


METHOD = GradDot()
