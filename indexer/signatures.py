"""The one code path that turns texts into gradients and neuron scores, for the build and for queries alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attridex.indexer.batches import TokenBatch, pad, plan_batches
from attridex.indexer.config import Config, NeuronsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients import NO_LABEL, LabelSource, make_gradients
from attridex.indexer.models import LoadedModel, load_model, make_renderer, model_hash, tokenizer_hash
from attridex.indexer.neurons import NeuronEdit as Edit
from attridex.indexer.neurons import edited_probabilities, kept_neurons, score_neurons
from attridex.indexer.projection import SparseProjection
from attridex.indexer.rows import packs
from attridex.indexer.tasks import Instance

__all__ = ["Edit", "Signature", "Signer", "model_hash", "tokenizer_hash"]

Float32 = NDArray[np.float32]
Neuron = tuple[int, int, float]
"""(layer, unit, score)."""


@dataclass(frozen=True)
class Signature:
    """What the index knows of one text.

    Attributes:
        predicted: output index with the highest probability.
        label: output index whose loss was taken.
        loss: cross-entropy of that label, in nats.
        probabilities: of the labels [C].
        hidden: state that the head reads [h].
        gradient: projected gradient [d], not normalised.
        scores: neuron scores [L, F].
        activation: FFN activations at the read position [s], projected where they are many.
        attribution: neuron scores [s], projected in the same way.
        keep: a neuron is kept if its score is above this share of the largest.
    """

    predicted: int
    label: int
    loss: float
    probabilities: Float32
    hidden: Float32
    gradient: Float32 | None = None
    scores: Float32 | None = None
    activation: Float32 | None = None
    attribution: Float32 | None = None
    keep: float = 0.1

    def kept(self, share: float) -> list[Neuron]:
        """Neurons with a score above `share` of the largest, in descending score, ties by (layer, unit)."""
        if self.scores is None:
            raise InputError("this signature was made without neuron scores")
        return as_neurons(self.scores, share)

    def top(self, r: int) -> list[Neuron]:
        """The first r kept neurons in descending score; all of them for r = 0."""
        return self.kept(self.keep)[: r or None]


def as_neurons(scores: Float32, share: float) -> list[Neuron]:
    """Kept neurons of scores [L, F], in descending score."""
    units, flat = scores.shape[1], scores.reshape(-1)
    return [(int(i) // units, int(i) % units, float(flat[i])) for i in kept_neurons(scores, share)]


class DenseSignatures:
    """Dense [L * F] vectors as they are stored: whole, or projected by a seeded sparse projection where they are many."""

    def __init__(self, size: int, config: NeuronsConfig) -> None:
        """`size` is L * F."""
        self.projected = size > config.signature_dim
        self.dim = min(size, config.signature_dim)
        self._projection = SparseProjection(size, self.dim, 0, "signature") if self.projected else None

    def __call__(self, values: Tensor) -> Tensor:
        """Rows [B, L, F] as stored [B, s]."""
        flat = values.flatten(1).float()
        return self._projection(flat) if self._projection else flat


class Signer:
    """One model that signs texts. Not thread-safe: hooks and the model's state are its own.

    Attributes:
        labels: names of the model's outputs, in their order.
        layers: number of layers L.
        units: FFN neurons a layer F.
        gradient_dim: stored dimensions d of a gradient.
    """

    def __init__(self, config: Config, loaded: LoadedModel) -> None:
        """Prepare to sign with a loaded model.

        Raises:
            InputError: the parameter scope or the projection does not fit the model.
        """
        self.config = config
        self.loaded = loaded
        self.arch = loaded.arch
        self.renderer = make_renderer(config)
        self.gradients = make_gradients(self.arch, config.gradients)
        self.labels = loaded.labels
        self.layers, self.units = len(self.arch.layers), self.arch.units
        self.gradient_dim = self.gradients.dim
        self.dense = DenseSignatures(self.layers * self.units, config.neurons)

    @classmethod
    def load(cls, config: Config) -> Self:
        """Load the model of a configuration; see `models.load_model` for what it raises."""
        return cls(config, load_model(config))

    def render(self, record: Mapping[str, Any], where: str) -> Instance:
        """Render a record; see `tasks.Renderer.render` for what it raises."""
        return self.renderer.render(record, where)

    def sign(
        self, instances: Sequence[Instance], *, gradient: bool = True, neurons: bool = True, label: LabelSource = "gold"
    ) -> list[Signature]:
        """Signatures of instances, in their order.

        Args:
            instances: rendered texts.
            gradient: whether to take gradients.
            neurons: whether to score neurons.
            label: whose loss the gradient is of; an instance without a label uses the predicted one.
        """
        parts: list[dict[str, Any]] = [{} for _ in instances]
        for rows, values in self.gradient_batches(instances, gradient=gradient, label=label):
            for row, value in zip(rows, values, strict=True):
                parts[row] |= value
        if neurons:
            for rows, values in self.neuron_batches(instances):
                for row, value in zip(rows, values, strict=True):
                    parts[row] |= value
        return [Signature(**part, keep=self.config.neurons.keep) for part in parts]

    def gradient_batches(
        self, instances: Sequence[Instance], *, gradient: bool = True, label: LabelSource = "gold"
    ) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        """Positions of a batch, and for each the Signature's fields that one pass gives."""
        for rows in plan_batches([i.tokens for i in instances], self.config.engine.batch_tokens):
            batch = self._pad([instances[row] for row in rows])
            labels = [NO_LABEL if label == "predicted" or instances[row].label is None else instances[row].label for row in rows]
            taken = self.gradients.take(batch, torch.tensor(labels, device=batch.ids.device))
            yield (
                rows,
                unstack(
                    predicted=taken.logits.argmax(1),
                    label=taken.labels,
                    loss=taken.loss,
                    probabilities=taken.logits.float().softmax(1),
                    hidden=taken.hidden.float(),
                    gradient=taken.gradients if gradient else None,
                ),
            )

    def neuron_batches(self, instances: Sequence[Instance]) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        """Positions of a batch, and for each the Signature's fields about neurons."""
        site, steps = self.config.neurons.site, self.config.neurons.steps
        self.arch.check_site(site)
        for rows in plan_batches(
            [i.tokens for i in instances], self.config.engine.batch_tokens, self._riding(self.layers * steps)
        ):
            scored = score_neurons(self.arch, self._pad([instances[row] for row in rows]), site, steps)
            yield (
                rows,
                unstack(
                    scores=scored.scores.float(), activation=self.dense(scored.activations), attribution=self.dense(scored.scores)
                ),
            )

    def kept(self, scores: Float32) -> list[Neuron]:
        """Kept neurons of scores [L, F] as the index keeps them."""
        return as_neurons(scores, self.config.neurons.keep)

    def edit(self, instances: Sequence[Instance], edits: Sequence[Sequence[Edit]]) -> list[Float32]:
        """Label probabilities under edits at the read position.

        Returns:
            For each instance [1 + number of its edits, C]; row 0 is unedited.

        Raises:
            InputError: a neuron that the model does not have.
        """
        answers: list[Float32] = []
        for instance, variants in zip(instances, edits, strict=True):
            factors = (
                torch.stack([self._factors(edit) for edit in variants]) if variants else torch.ones(0, self.layers, self.units)
            )
            batch = self._pad([instance])
            chunk = max(1, self.config.engine.batch_tokens // (1 if packs(self.arch, batch) else instance.tokens))
            parts = [
                edited_probabilities(self.arch, batch, self.config.neurons.site, part[None]).cpu().numpy()[0]
                for part in factors.split(chunk)
            ] or [edited_probabilities(self.arch, batch, self.config.neurons.site, factors[None]).cpu().numpy()[0]]
            answers.append(np.concatenate([parts[0], *[part[1:] for part in parts[1:]]]))
        return answers

    def _factors(self, edit: Edit) -> Tensor:
        for layer, unit in edit.neurons:
            if not (0 <= layer < self.layers and 0 <= unit < self.units):
                raise InputError(
                    f"neuron {layer}-{unit}: the model has {self.layers} layers of {self.units} units, counted from 0"
                )
        return edit.factors(self.layers, self.units)

    def _riding(self, rows: int) -> int:
        """Tokens' worth of edited copies that ride along with each sequence."""
        return rows if self.arch.causal else 0

    def _pad(self, instances: Sequence[Instance]) -> TokenBatch:
        return pad([instance.sequences[0] for instance in instances], self.loaded.pad, self.loaded.device)


def unstack(**columns: Tensor | None) -> list[dict[str, Any]]:
    """Turn columns [B, ...] into one dict a row: numpy arrays, and plain numbers where a row is a scalar."""
    arrays = {name: None if value is None else value.detach().cpu().numpy() for name, value in columns.items()}
    size = len(next(value for value in arrays.values() if value is not None))
    return [
        {
            name: None if value is None else (value[row].item() if value.ndim == 1 else value[row])
            for name, value in arrays.items()
        }
        for row in range(size)
    ]
