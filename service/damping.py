"""Transforms of query vectors in the stored space."""

import numpy as np
from numpy.typing import NDArray

from attridex.service.store import IndexVersion

Float64 = NDArray[np.float64]


def unit(vectors: Float64) -> Float64:
    """Rows [q, d] of length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0))


def damped(version: IndexVersion, vectors: Float64, kind: str, damping: float) -> Float64:
    """(H + damping I)^-1 q for each row q, from H's eigendecomposition, block by block."""
    out = np.zeros_like(vectors)
    for number, block in enumerate(blocks_of(version, kind)):
        values, basis = version.curvature[f"{kind}.{number}.values"], version.curvature[f"{kind}.{number}.vectors"]
        out[:, block] = ((vectors[:, block] @ basis) / (values + damping)) @ basis.T
    return out


def blocks_of(version: IndexVersion, kind: str) -> list[slice]:
    """Stretches of the stored vector that a curvature treats alone."""
    if kind == "hessian":
        return [slice(0, version.manifest.gradient_dim)]
    return [slice(block.start, block.stop) for block in version.manifest.blocks]
