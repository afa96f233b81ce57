"""Names of the tensors that hold a version's curvatures, and a shard's sums for K-FAC; `number` counts blocks of the vector."""

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float64]]
"""Arrays by name, as a safetensors file holds them."""


def values_name(kind: str, number: int) -> str:
    """Eigenvalues of a curvature [k], of K-FAC and EK-FAC [o, i]."""
    return f"{kind}.{number}.values"


def vectors_name(kind: str, number: int) -> str:
    """Eigenvectors of a curvature that is held whole [k, k]."""
    return f"{kind}.{number}.vectors"


def left_name(number: int) -> str:
    """Eigenvectors of S [o, o], which K-FAC and EK-FAC share."""
    return f"factors.{number}.left"


def right_name(number: int) -> str:
    """Eigenvectors of A [i, i], which K-FAC and EK-FAC share."""
    return f"factors.{number}.right"


def inputs_name(number: int) -> str:
    """A of a shard's instances [i, i]."""
    return f"{number}.a"


def outputs_name(number: int) -> str:
    """S of a shard's instances [o, o]."""
    return f"{number}.s"


def tokens_name(number: int) -> str:
    """Tokens of a shard's instances [1]."""
    return f"{number}.tokens"
