"""TRAK (Park et al., ICML 2023) with one model and the index's projection."""

from collections.abc import Sequence

import numpy as np

from attridex.indexer.curvature.matrices import doubt
from attridex.indexer.curvature.spectrum import inverse
from attridex.indexer.index.records import OF_CURVATURE, Manifest
from attridex.service.meaning import LOWERS, Meaning
from attridex.service.reading.asked import Asked, gradient_of
from attridex.service.reading.reader import TEXT
from attridex.service.scoring.curvature import damping_setting
from attridex.service.scoring.method import GradientMethod, Space
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion


class Trak(GradientMethod):
    """Influence on the margin of the label, in a linear model of the projected gradients."""

    name = "trak"
    summary = "influence on the log-odds of the label, by a linear model of projected gradients"
    meaning = Meaning(
        LOWERS,
        "(1 / n) phi_query^T (K + damping I)^-1 phi_train (1 - p_train); phi is the gradient of log p / (1 - p), "
        "K the mean of phi phi^T over n instances",
    )
    settings = (damping_setting("lambda of (K + lambda I)^-1; a tenth of K's mean eigenvalue where none is given"),)
    sources = TEXT
    taken_of_all = (OF_CURVATURE,)

    def missing(self, manifest: Manifest) -> str:
        """TRAK's own curvature."""
        return "" if "trak" in manifest.curvatures else 'gradients.curvature = ["trak"]'

    def settle(self, version: IndexVersion, values: Values) -> Values:
        """Use TRAK's own curvature, with its damping where none is given."""
        return values.having(curvature="trak", damping=version.spectrum("trak").damping)

    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """Gradients of the log-odds: those of the loss, divided by 1 - p."""
        vectors = np.stack([gradient_of(version, one) for one in asked])
        vectors = vectors / (np.array([query_doubt(version, one) for one in asked])[:, None] * version.counted)
        return Space(version.gradients, version.spectrum("trak").apply(vectors, inverse(values.number("damping"))))


def query_doubt(version: IndexVersion, one: Asked) -> float:
    """1 - p of the query's label."""
    loss = one.signature.loss if one.signature is not None else version.fields([one.stored_row], ["loss"])[0]["loss"]
    return float(doubt(np.array([loss], np.float64))[0])


METHOD = Trak()
