"""How alike an instance is to a query, seen through neurons."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.service.meaning import Meaning
from attridex.service.reading.asked import Asked
from attridex.service.reading.reader import TEXT
from attridex.service.storage.far import Stored
from attridex.service.storage.version import IndexVersion


@dataclass(frozen=True)
class SparseSimilarity:
    """Over posting lists: a query may also be given as neurons."""

    meaning: Meaning
    sources: tuple[str, ...] = (*TEXT, "neurons")


@dataclass(frozen=True)
class DenseSimilarity:
    """A cosine of dense signatures.

    Attributes:
        stored: the stored signatures.
        signed: the signature of a text.
    """

    meaning: Meaning
    stored: Callable[[IndexVersion], Stored]
    signed: Callable[[Asked], NDArray[np.float32] | None]
    sources: tuple[str, ...] = TEXT

    def vector(self, version: IndexVersion, one: Asked) -> NDArray[np.float64]:
        """A query's signature [s]."""
        made = self.signed(one)
        return version.vector(self.stored(version), one.stored_row) if made is None else made.astype(np.float64)


Similarity = SparseSimilarity | DenseSimilarity
SIMILARITIES: Mapping[str, Similarity] = {
    "dcns": SparseSimilarity(
        Meaning(
            "higher = the instance keeps more of the query's neurons, and higher up among its own",
            "sum of (2^z - 1) / log2(rank + 1) over shared neurons; z and rank are those of the neuron within the instance",
        )
    ),
    "activation": DenseSimilarity(
        Meaning("higher = FFN activations at the read position are more alike", "cosine of FFN activations, from -1 to 1"),
        lambda version: version.activations,
        lambda one: one.signature.activation if one.signature else None,
    ),
    "attribution": DenseSimilarity(
        Meaning("higher = neuron scores are more alike", "cosine of neuron scores, from -1 to 1"),
        lambda version: version.attributions,
        lambda one: one.signature.attribution if one.signature else None,
    ),
}
