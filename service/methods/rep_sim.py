"""Similarity of the states that the head reads."""

from collections.abc import Sequence

import numpy as np

from attridex.service.meaning import Meaning
from attridex.service.reading.asked import Asked
from attridex.service.scoring.method import Space, VectorMethod, unit
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion


class RepSim(VectorMethod):
    """Instances that look alike to the model's last layer, whatever their labels."""

    name = "rep-sim"
    summary = "cosine of the states that the head reads"
    meaning = Meaning("higher = the states that the head reads are more alike", "cosine of the states, from -1 to 1")
    weighted = False

    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """States of length 1."""
        hidden = [one.signature.hidden if one.signature else version.vector(version.hidden, one.stored_row) for one in asked]
        return Space(version.hidden, unit(np.stack([np.asarray(vector, np.float64) for vector in hidden])))


METHOD = RepSim()
