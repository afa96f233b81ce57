"""TracIn (Pruthi et al., NeurIPS 2020) over the checkpoints that the index was built with."""

from collections.abc import Sequence

import numpy as np

from attridex.indexer.index.records import Manifest
from attridex.service.encoding.need import Need
from attridex.service.meaning import LOWERS, Meaning
from attridex.service.reading.asked import Asked
from attridex.service.scoring.method import Float64, Space, VectorMethod
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion
from attridex.v1.requests import LabelSource


class TracIn(VectorMethod):
    """What training on the instance did to the query's loss, step by step."""

    name = "tracin"
    summary = "inner products of gradients, summed over checkpoints of the training"
    meaning = Meaning(LOWERS, "sum over checkpoints of learning rate times <g_query, g_train>")

    def missing(self, manifest: Manifest) -> str:
        """Checkpoints."""
        return "" if manifest.checkpoints else "model.checkpoints = [...], the directories of the training's checkpoints"

    def need(self, label: LabelSource) -> Need:
        """Gradients at the checkpoints."""
        return Need(label=label, tracin=True)

    def said(self, version: IndexVersion, values: Values) -> Meaning:
        """With the learning rates."""
        rates = ", ".join(f"{rate:.3g}" for rate in version.manifest.config.model.checkpoint_rates)
        return self.meaning.adding(f"; learning rates {rates}")

    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """Gradients at the checkpoints, one after the other."""
        return Space(version.tracin, np.stack([at_checkpoints(version, one) for one in asked]))


def at_checkpoints(version: IndexVersion, one: Asked) -> Float64:
    """A query's gradients at the C checkpoints, each times the checkpoint's learning rate [C d]."""
    made = one.signature.tracin if one.signature is not None else None
    vector = version.vector(version.tracin, one.stored_row) if made is None else made.astype(np.float64)
    rates = np.array(version.manifest.config.model.checkpoint_rates)
    return np.asarray(vector * np.repeat(rates, len(vector) // len(rates)))


METHOD = TracIn()
