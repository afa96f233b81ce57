"""Dense signatures: all activations or scores of a text's neurons as the one vector that an index stores."""

from torch import Tensor

from attridex.indexer.config import NeuronsConfig
from attridex.indexer.gradients.projection import SparseProjection


class DenseSignatures:
    """Dense [L * F] vectors as they are stored: whole, or projected by a seeded sparse projection where they are many.

    Attributes:
        dim: stored dimensions s.
        projected: whether they are fewer than L * F.
    """

    def __init__(self, size: int, config: NeuronsConfig) -> None:
        """`size` is L * F."""
        self.projected = size > config.signature_dim
        self.dim = min(size, config.signature_dim)
        self._projection = SparseProjection(size, self.dim, 0, "signature") if self.projected else None

    def __call__(self, values: Tensor) -> Tensor:
        """Rows [B, L, F] as stored [B, s]."""
        flat = values.flatten(1).float()
        return self._projection(flat) if self._projection else flat
