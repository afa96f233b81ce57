"""Training a head alone to its optimum on fixed states: multinomial or listwise logistic regression with a ridge.

Letters: n instances, J states the head reads for an instance (choices, or 1), O outputs of the head, h hidden size, C outputs an
instance decides between (O or J).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Labels = NDArray[np.int64]


def head_logits(states: NDArray[Any], weights: Float64) -> Float64:
    """Logits [n, C] of states [n, J, h] under weights [O, h]: C = O for J = 1, else C = J for O = 1."""
    products: Float64 = states @ weights.T
    return products.reshape(len(states), -1)


def head_losses(states: NDArray[Any], labels: Labels, weights: Float64) -> Float64:
    """Cross-entropy of the labels [n]."""
    scores = head_logits(states, weights)
    top = scores.max(1, keepdims=True)
    found: Float64 = np.log(np.exp(scores - top).sum(1)) + top[:, 0] - scores[np.arange(len(labels)), labels]
    return found


def fit_head(states: NDArray[np.float32], labels: Labels, outputs: int, ridge: float, start: Float64 | None = None) -> Float64:
    """Weights [outputs, h] that minimise mean cross-entropy + ridge / 2 |W|^2, to a gradient below 1e-6.

    Args:
        states: [n, J, h].
        labels: output index of each instance [n].
        outputs: of the head: the number of labels, or 1 where it scores choices.
        ridge: weight of the penalty, positive, so that the optimum is unique.
        start: where the search begins; 0 unless given.
    """
    from scipy.optimize import minimize

    n, _, h = states.shape

    def objective(flat: Float64) -> tuple[float, Float64]:
        weights = flat.reshape(outputs, h)
        scores = head_logits(states, weights)
        scores -= scores.max(1, keepdims=True)
        p = np.exp(scores)
        p /= p.sum(1, keepdims=True)
        value = -np.log(p[np.arange(n), labels] + 1e-300).mean() + ridge / 2 * flat @ flat
        p[np.arange(n), labels] -= 1
        gradient = np.einsum("nj,njh->h", p, states, optimize=True)[None] if outputs == 1 else p.T @ states[:, 0]
        return float(value), (gradient / n + ridge * weights).reshape(-1)

    begin = np.zeros(outputs * h) if start is None else start.reshape(-1)
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "gtol": 1e-6, "ftol": 1e-13})
    weights: Float64 = found.x.reshape(outputs, h)
    return weights
