"""Edits of neurons at the read position, and what the model says under them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attridex.indexer.errors import InputError


@dataclass(frozen=True)
class NeuronEdit:
    """Suppress the given (layer, unit) neurons, or keep only them, at the read position."""

    mode: Literal["suppress", "keep"]
    neurons: tuple[tuple[int, int], ...]

    def check(self, layers: int, units: int) -> None:
        """Refuse neurons that a model does not have.

        Raises:
            InputError: which, and what there are.
        """
        for layer, unit in self.neurons:
            if not (0 <= layer < layers and 0 <= unit < units):
                raise InputError(f"neuron {layer}-{unit}: the model has {layers} layers of {units} units, counted from 0")

    def factors(self, layers: int, units: int) -> Tensor:
        """What each activation is multiplied by, [L, F]."""
        chosen = torch.zeros(layers, units)
        for layer, unit in self.neurons:
            chosen[layer, unit] = 1
        return chosen if self.mode == "keep" else 1 - chosen


@dataclass(frozen=True)
class EditedOutputs:
    """What the model says with neurons suppressed or kept.

    Attributes:
        probabilities: of the outputs [1 + number of edits, C]; row 0 is unedited.
        greedy: for causal-lm, what the model would have said, for each row.
        said: what is predicted for each row, as tables show it; none for causal-lm.
    """

    probabilities: NDArray[np.float32]
    greedy: tuple[str, ...] | None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class EditedProbes:
    """What is decided of probes under edits, row by row.

    Attributes:
        probabilities: of the outputs.
        best: the most probable output of each probe.
        said: what is predicted, as tables show it; none of a language model.
    """

    probabilities: NDArray[np.float32]
    best: list[list[int]]
    said: list[str]
