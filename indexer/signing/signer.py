"""The one code path that turns texts into gradients and neuron scores, for the build and for queries alike."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attridex.indexer.config import Config, NeuronsConfig
from attridex.indexer.corpus.rendering import PART, Instance
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.gradients import LabelSource, final_states, make_gradients
from attridex.indexer.gradients.projection import SparseProjection
from attridex.indexer.models.batches import TokenBatch, pad, plan_batches
from attridex.indexer.models.loading import LoadedModel, checkpoint_hashes, load_model, make_renderer, model_hash, tokenizer_hash
from attridex.indexer.models.objectives import OBJECTIVES, InstanceBatch, Probe, Reading, collate
from attridex.indexer.neurons.quadrature import GRADIENT, Quadrature, quadrature
from attridex.indexer.neurons.rows import packs
from attridex.indexer.neurons.scores import NeuronEdit as Edit
from attridex.indexer.neurons.scores import NeuronPass, edited_logits, kept_neurons, score_neurons

__all__ = ["Edit", "Edited", "Signature", "Signer", "checkpoint_hashes", "model_hash", "tokenizer_hash"]

LOGITS = 1 << 26
"""Logits that edited rows may have at a time: a language model's vocabulary is large."""

Float32 = NDArray[np.float32]
Neuron = tuple[int, int, float]
"""(layer, unit, score)."""


@dataclass(frozen=True)
class Signature:
    """What the index knows of one text.

    Attributes:
        predicted: output index with the highest probability; -1 for causal-lm.
        label: output index whose loss was taken; -1 for causal-lm.
        loss: cross-entropy of that label, in nats; for causal-lm the mean over target tokens.
        outputs: names of what the model decides between.
        probabilities: of the outputs [C]; for causal-lm the mean probability of the target tokens [1].
        margins: log-odds of the outputs [C].
        hidden: state behind the decision [h].
        greedy: for causal-lm, what the model would have said at the target's positions.
        gradient: projected gradient [d], not normalised.
        tracin: projected gradients at every checkpoint, one after the other [checkpoints * d].
        scores: neuron scores [L, F].
        activation: FFN activations at the read position [s], projected where they are many.
        attribution: neuron scores [s], projected in the same way.
        keep: a neuron is kept if its score is above this share of the largest.
    """

    predicted: int
    label: int
    loss: float
    outputs: tuple[str, ...]
    probabilities: Float32
    margins: Float32
    hidden: Float32
    greedy: str | None = None
    gradient: Float32 | None = None
    tracin: Float32 | None = None
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


@dataclass(frozen=True)
class Edited:
    """What the model says with neurons suppressed or kept.

    Attributes:
        probabilities: of the outputs [1 + number of edits, C]; row 0 is unedited.
        greedy: for causal-lm, what the model would have said, for each row.
    """

    probabilities: Float32
    greedy: tuple[str, ...] | None


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
        earlier: the loaded checkpoints.
    """

    def __init__(self, config: Config, loaded: LoadedModel, checkpoints: Sequence[LoadedModel] = ()) -> None:
        """Prepare to sign with a loaded model, and with its earlier checkpoints for TracIn.

        Raises:
            InputError: the parameter scope or the projection does not fit the model.
        """
        self.config = config
        self.loaded = loaded
        self.arch = loaded.arch
        self.renderer = make_renderer(config)
        self.objective = OBJECTIVES[config.model.task]
        self.gradients = make_gradients(self.arch, self.objective, config.gradients)
        self.earlier = list(checkpoints)
        self.checkpoints = [make_gradients(each.arch, self.objective, config.gradients) for each in checkpoints]
        self.labels = loaded.labels
        self.layers, self.units = len(self.arch.layers), self.arch.units(config.neurons.site)
        self.rule = quadrature(config.neurons.rule, config.neurons.steps)
        self.gradient_dim = self.gradients.dim
        self.dense = DenseSignatures(self.layers * self.units, config.neurons)

    @classmethod
    def load(cls, config: Config) -> Self:
        """Load the model of a configuration and its checkpoints; see `models.load_model` for what it raises."""
        return cls(config, load_model(config), [load_model(config, path) for path in config.model.checkpoints])

    def render(self, record: Mapping[str, Any], where: str, *, stored: bool = False, label_used: bool = True) -> Instance:
        """Render a record; see `tasks.Renderer.render` for what it raises.

        A `stored` one is an instance of the index, which may be one target token of a record (corpus.per_token).
        """
        instance = self.renderer.render(record, where, label_used=label_used)
        if not stored or not self.config.corpus.per_token:
            return instance
        return self.renderer.per_token(instance)[int(instance.id.rpartition(PART)[2])]

    def sign(
        self,
        instances: Sequence[Instance],
        *,
        gradient: bool = True,
        neurons: bool = True,
        label: LabelSource = "gold",
        tracin: bool = False,
        fast: bool = False,
    ) -> list[Signature]:
        """Signatures of instances, in their order.

        Args:
            instances: rendered texts.
            gradient: whether to take gradients.
            neurons: whether to score neurons.
            label: whose loss the gradient is of; an instance without a label uses the predicted one.
            tracin: whether to take gradients at the checkpoints too.
            fast: score neurons by activation times gradient, whatever rule the index has.
        """
        parts: list[dict[str, Any]] = [{} for _ in instances]
        for rows, values in self.gradient_batches(instances, gradient=gradient, label=label, tracin=tracin):
            for row, value in zip(rows, values, strict=True):
                parts[row] |= value
        if neurons:
            for row, value in self.neuron_scores(instances, [decision(part) for part in parts], fast=fast):
                parts[row] |= value
        return [Signature(**part, keep=self.config.neurons.keep) for part in parts]

    def gradient_batches(
        self, instances: Sequence[Instance], *, gradient: bool = True, label: LabelSource = "gold", tracin: bool = False
    ) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        """Positions of a batch, and for each the Signature's fields that one pass gives."""
        for rows in self._batches(instances):
            chosen = [instances[row] for row in rows]
            batch = collate(chosen, self.loaded.pad, self.loaded.device, predicted=label == "predicted")
            taken = self.gradients.take(batch) if gradient else None
            reading = taken.reading if taken else self._read(batch)
            same = replace(batch, labels=reading.labels)  # a checkpoint may predict another label
            earlier = [checkpoint.take(same).gradients for checkpoint in self.checkpoints] if tracin else []
            fields = unstack(
                predicted=reading.predicted,
                label=reading.labels,
                loss=reading.loss,
                probabilities=reading.probabilities,
                margins=reading.margins,
                hidden=reading.hidden,
                gradient=taken.gradients if taken else None,
                tracin=torch.cat(earlier, 1) if earlier else None,
            )
            said = [None] * len(rows) if reading.greedy is None else [self._text(tokens) for tokens in reading.greedy]
            yield (
                rows,
                [
                    {**values, "outputs": instance.outputs, "greedy": text}
                    for values, instance, text in zip(fields, chosen, said, strict=True)
                ],
            )

    @torch.no_grad()
    def _read(self, batch: InstanceBatch) -> Reading:
        """What the task reads, without gradients."""
        return self.objective.read(self.arch, final_states(self.arch, batch), batch)

    def _batches(self, instances: Sequence[Instance]) -> Iterator[list[int]]:
        """Positions of instances that share a pass: alike in length, and in their number of sequences."""
        groups: dict[int, list[int]] = {}
        for position, instance in enumerate(instances):
            groups.setdefault(len(instance.sequences), []).append(position)
        for copies, positions in groups.items():
            lengths = [instances[position].longest for position in positions]
            for rows in plan_batches(lengths, self.config.engine.batch_tokens // copies):
                yield [positions[row] for row in rows]

    def neuron_scores(
        self, instances: Sequence[Instance], decisions: Sequence[tuple[int, float]], *, fast: bool = False
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Positions of instances, and the Signature's fields about neurons.

        Args:
            instances: rendered texts.
            decisions: theirs (see `decision`).
            fast: take activation times gradient instead of the configured rule.
        """
        self.arch.check_site(self.config.neurons.site)
        rule = GRADIENT if fast else self.rule
        probes = [
            (row, probe) for row, instance in enumerate(instances) for probe in self.objective.probes(instance, *decisions[row])
        ]
        means = Means(Counter(row for row, _ in probes))
        lengths = [len(probe.sequence) for _, probe in probes]
        for part in plan_batches(lengths, *self._neuron_budget(rule)):
            scored = self._score([probes[at][1] for at in part], rule)
            fields = unstack(
                scores=scored.scores.float(), activation=self.dense(scored.activations), attribution=self.dense(scored.scores)
            )
            yield from means.add([probes[at][0] for at in part], fields)

    def _score(self, probes: Sequence[Probe], rule: Quadrature) -> NeuronPass:
        batch = self._pad([probe.sequence for probe in probes])
        site = self.config.neurons.site
        return score_neurons(self.arch, batch, site, rule, lambda logits: self.objective.watch(logits, probes))

    def _neuron_budget(self, rule: Quadrature) -> tuple[int, int]:
        """Tokens of a scored batch, and the tokens' worth of edited copies that ride along with each sequence."""
        riding = self.layers * len(rule.points) if self.arch.causal and rule != GRADIENT else 0
        return min(self.config.engine.batch_tokens, LOGITS // self.arch.outputs), riding

    def scored_at_once(self, length: int) -> int:
        """Sequences of a length whose neurons are scored in one pass."""
        tokens, riding = self._neuron_budget(self.rule)
        return max(1, tokens // (length + riding))

    def kept(self, scores: Float32) -> list[Neuron]:
        """Kept neurons of scores [L, F] as the index keeps them."""
        return as_neurons(scores, self.config.neurons.keep)

    def edit(self, instances: Sequence[Instance], edits: Sequence[Sequence[Edit]]) -> list[Edited]:
        """What the model says under edits at the read position (causal-lm: at the position before each target token).

        Raises:
            InputError: a neuron that the model does not have.
        """
        return [self._edited(instance, variants) for instance, variants in zip(instances, edits, strict=True)]

    def _edited(self, instance: Instance, edits: Sequence[Edit]) -> Edited:
        none = torch.ones(0, self.layers, self.units)
        factors = torch.stack([self._factors(edit) for edit in edits]) if edits else none
        probes = self.objective.edited(instance)
        batch = self._pad([probe.sequence for probe in probes])
        width = 1 if packs(self.arch, batch) else batch.ids.shape[1]
        chunk = max(1, min(self.config.engine.batch_tokens // width, LOGITS // self.arch.outputs) // len(probes))
        probabilities, greedy = [], []
        for number, part in enumerate(factors.split(chunk)):
            logits = edited_logits(self.arch, batch, self.config.neurons.site, part.expand(len(probes), *part.shape))
            fresh = slice(1 if number else 0, None)  # every pass has the unedited row first
            probabilities.append(self.objective.decide(logits, probes)[fresh].cpu().numpy())
            greedy += [self._text(tokens) for tokens in logits[:, fresh].argmax(-1).T.tolist()] if instance.target else []
        return Edited(np.concatenate(probabilities), tuple(greedy) if instance.target else None)

    def _text(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""
        return str(self.loaded.tokenizer.decode(list(tokens))).strip()

    def _factors(self, edit: Edit) -> Tensor:
        for layer, unit in edit.neurons:
            if not (0 <= layer < self.layers and 0 <= unit < self.units):
                raise InputError(
                    f"neuron {layer}-{unit}: the model has {self.layers} layers of {self.units} units, counted from 0"
                )
        return edit.factors(self.layers, self.units)

    def _pad(self, sequences: Sequence[Sequence[int]]) -> TokenBatch:
        return pad(sequences, self.loaded.pad, self.loaded.device)


def decision(fields: Mapping[str, Any]) -> tuple[int, float]:
    """The predicted output of a signature's fields, and its margin."""
    return fields["predicted"], float(fields["margins"][fields["predicted"]])


class Means:
    """Averages over an instance's probes, given as soon as the last one is in."""

    def __init__(self, counts: Mapping[int, int]) -> None:
        """Probes of each instance."""
        self._counts = dict(counts)
        self._sums: dict[int, dict[str, Any]] = {}
        self._seen: Counter[int] = Counter()

    def add(self, rows: Sequence[int], fields: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Add probes' fields; give the means of instances that are complete."""
        for row, values in zip(rows, fields, strict=True):
            before = self._sums.pop(row, None)
            total = values if before is None else {name: before[name] + value for name, value in values.items()}
            self._seen[row] += 1
            if self._seen[row] == self._counts[row]:
                yield row, {name: value / np.float32(self._counts[row]) for name, value in total.items()}
            else:
                self._sums[row] = total


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
