"""Influence functions (Koh and Liang, ICML 2017) through the eigendecomposition of a stored curvature."""

from attridex.indexer.curvature.spectrum import Filter, inverse
from attridex.service.meaning import LOWERS, Meaning
from attridex.service.scoring.curvature import CURVATURE, CurvatureMethod, damping_setting
from attridex.service.scoring.settings import Values


class Influence(CurvatureMethod):
    """What the query's loss would lose by more weight on the training instance, at the optimum of the training loss."""

    name = "influence"
    summary = "influence function: the gradients with the inverse of a curvature between them"
    meaning = Meaning(LOWERS, "g_query^T (H + damping I)^-1 g_train; H is the named curvature of the mean training loss")
    settings = (CURVATURE, damping_setting("lambda of (H + lambda I)^-1; a tenth of H's mean eigenvalue where none is given"))

    def change(self, values: Values) -> Filter:
        """1 / (value + damping)."""
        return inverse(values.number("damping"))


METHOD = Influence()
