"""The one code path that turns texts into gradients and neuron scores, for the build and for queries alike."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Self

import torch

from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.gradients import Gradients, LabelSource
from attridex.indexer.gradients.replayed import Replayed
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.batches import plan_batches
from attridex.indexer.models.identity import ModelIdentity, config_identity
from attridex.indexer.models.loading import LoadedModel, load_model
from attridex.indexer.models.precision import precision_of
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.replaying.recording import CudaGraphs
from attridex.indexer.replaying.replays import roomy
from attridex.indexer.signing.continuations import continuation
from attridex.indexer.signing.editor import Editor
from attridex.indexer.signing.edits import EditedOutputs, NeuronEdit
from attridex.indexer.signing.neuron_scoring import NeuronScorer
from attridex.indexer.signing.passes import GradientBatch, PassResults, overlapped
from attridex.indexer.signing.row_checks import RowChecks
from attridex.indexer.signing.signature import (
    Float32,
    GradientReading,
    ScoredNeuron,
    Signature,
    as_neurons,
    output_number,
)
from attridex.indexer.tasks.instance_batches import InstanceBatch, collate
from attridex.indexer.tasks.objective import Reading
from attridex.indexer.tasks.registry import objective_of


class Signer:
    """One model that signs texts. Not thread-safe: hooks and the model's state are its own.

    Attributes:
        labels: names of the model's outputs, in their order.
        layers: number of layers L.
        units: FFN neurons a layer F, those of all its experts counted.
        gradient_dim: stored dimensions d of a gradient.
        earlier: the loaded checkpoints.
        rows: checks of rows that held more than their text.
        scorer: scores neurons.
    """

    def __init__(
        self, config: Config, loaded: LoadedModel, checkpoints: Sequence[LoadedModel] = (), *, compiled: bool = True
    ) -> None:
        """Prepare to sign with a loaded model, and with its earlier checkpoints for TracIn.

        Args:
            config: of the build.
            loaded: the model.
            checkpoints: the earlier ones.
            compiled: see `CudaGraphs`.

        Raises:
            InputError: the parameter scope or the projection does not fit the model.
        """
        self.config, self.loaded = config, loaded
        self.arch, self.labels = loaded.arch, loaded.labels
        self.renderer = make_renderer(config)
        self.objective = objective_of(config.model.task, loaded.arch.outputs)
        graphs = config.engine.graphs and loaded.device.type == "cuda"
        self._recorder = CudaGraphs(loaded.device, compiled=compiled) if graphs else None
        self.gradients = self._taking(loaded)
        self.earlier = list(checkpoints)
        self.checkpoints = [self._taking(each) for each in checkpoints]
        self.rows = RowChecks(self.arch)
        self.layers, self.units = len(self.arch.layers), self.arch.units(config.neurons.site)
        self.gradient_dim = self.gradients.dim
        self.scorer = NeuronScorer(config, loaded, self.objective, self._recorder)

    @classmethod
    def load(cls, config: Config, *, compiled: bool = True) -> Self:
        """Load the model of a configuration and its checkpoints; see `models.loading.load_model` for what it raises.

        Args:
            config: of the build.
            compiled: see `CudaGraphs`.
        """
        earlier = [load_model(config, path) for path in config.model.checkpoints]
        return cls(config, load_model(config), earlier, compiled=compiled)

    def _taking(self, loaded: LoadedModel) -> Gradients:
        """The way to take gradients of a model."""
        made = make_gradients(loaded.arch, self.objective, self.config.gradients)
        precision = precision_of(self.config.model, loaded.arch.model.dtype)
        return Replayed(made, self._recorder, precision, self.config.model.max_length) if self._recorder else made

    def unreplayed(self, instances: Sequence[RenderedInstance]) -> str:
        """Why a GPU's passes over instances like these are plain ones; empty where they are replayed, and without a GPU."""
        found = (("gradients", self._untaken(instances)), ("neurons", self.scorer.unreplayed(instances)))
        return "; ".join(f"{what}: {why}" for what, why in found if why)

    def _untaken(self, instances: Sequence[RenderedInstance]) -> str:
        if not isinstance(self.gradients, Replayed):
            return ""
        chosen, predicted = [instances[at] for at in next(self.batches(instances))], self.config.gradients.label == "predicted"
        return self.gradients.replays.tried(collate(chosen, self.loaded.pad, self.loaded.device, predicted=predicted))

    def identity(self) -> ModelIdentity:
        """Hashes of the model's files, its tokenizer's and its checkpoints'."""
        return config_identity(self.config)

    def render(self, record: Mapping[str, Any], where: str, *, label_used: bool = True) -> RenderedInstance:
        """Render a record; see `Renderer.asked`."""
        return self.renderer.asked(record, where, label_used=label_used)

    @torch.no_grad()
    def continued(self, prompt: RenderedInstance, most: int) -> RenderedInstance:
        """A prompt with what a language model says next as its target: its greedy continuation, up to its end of text.

        Raises:
            InputError: there is no room for it, it is nothing, or the model's own settings are not greedy.
        """
        room = self.renderer.room(prompt)
        if room < 1:
            raise InputError("the prompt is as long as model.max_length lets it be; there is no room to go on")
        tokens = continuation(self.arch.model, prompt, min(most, room), self.loaded)
        if not tokens:
            raise InputError("the model ends its text at once; it says nothing that could be explained")
        if len(tokens) == room < most:
            raise InputError(
                f"the prompt leaves room for {room} of {most} tokens within model.max_length, and the model says more; ask for "
                f"{room} at most, or about a shorter prompt"
            )
        return self.renderer.continued(prompt, tokens)

    def sign(
        self,
        instances: Sequence[RenderedInstance],
        *,
        gradient: bool = True,
        neurons: bool = True,
        label: LabelSource = "gold",
        tracin: bool = False,
        fast: bool = False,
        output: str = "",
    ) -> list[Signature]:
        """Signatures of instances, in their order.

        Args:
            instances: rendered texts.
            gradient: whether to take gradients.
            neurons: whether to score neurons.
            label: whose loss the gradient is of; an instance without a label uses the predicted one.
            tracin: whether to take gradients at the checkpoints too.
            fast: score neurons by activation times gradient, whatever rule the index has.
            output: whose probability (a regression's number) neuron scores explain; as the task has it unless named.

        Raises:
            InputError: an instance has no such output.
        """
        found: dict[int, GradientReading] = {}
        for batch in self.gradient_batches(instances, gradient=gradient, label=label, tracin=tracin):
            found |= zip(batch.positions, batch.readings, strict=True)
        readings = [found[position] for position in range(len(instances))]
        decisions = [each.about(output_number(each.outputs, output)) if output else each.decision for each in readings]
        scored = dict(self.scorer.scores(instances, decisions, fast=fast, named=bool(output))) if neurons else {}
        keep = self.config.neurons.keep
        return [Signature.joined(reading, scored.get(position), keep) for position, reading in enumerate(readings)]

    def gradient_batches(
        self,
        instances: Sequence[RenderedInstance],
        *,
        gradient: bool = True,
        label: LabelSource = "gold",
        tracin: bool = False,
        factors: FactorSums | None = None,
    ) -> Iterator[GradientBatch]:
        """What the model says of instances, and their gradients, batch after batch.

        Args:
            instances: rendered texts.
            gradient: whether to take gradients.
            label: whose loss the gradient is of; an instance without a label uses the predicted one.
            tracin: whether to take gradients at the checkpoints too.
            factors: where to sum what K-FAC needs of them, while an index is built.

        Raises:
            InputError: the model says something else of an instance's row than of its text.
        """
        self.rows.check_all(instances)
        predicted = label == "predicted"
        begun = self._begun(instances, gradient=gradient, predicted=predicted, tracin=tracin, factors=factors)
        for results in overlapped(begun, self.loaded.device):
            yield results.read(self.objective, self._text, predicted=predicted)

    def _begun(
        self,
        instances: Sequence[RenderedInstance],
        *,
        gradient: bool,
        predicted: bool,
        tracin: bool,
        factors: FactorSums | None,
    ) -> Iterator[PassResults]:
        """The passes of `gradient_batches`, each with its results on their way."""
        for positions in self.batches(instances):
            chosen = [instances[position] for position in positions]
            batch = collate(chosen, self.loaded.pad, self.loaded.device, predicted=predicted)
            taken = self.gradients.take(batch, factors) if gradient else None
            reading = taken.reading if taken else self._read(batch)
            same = self.objective.settled(batch, reading)
            earlier = [checkpoint.take(same).gradients for checkpoint in self.checkpoints] if tracin else []
            tracks = torch.cat(earlier, 1) if earlier else None
            yield PassResults(positions, chosen, reading, taken.gradients if taken else None, tracks)

    @torch.no_grad()
    def _read(self, batch: InstanceBatch) -> Reading:
        """What the task reads, without gradients."""
        return self.objective.read(self.arch, self.arch.final_states(batch.tokens), batch)

    def batches(self, instances: Sequence[RenderedInstance]) -> Iterator[list[int]]:
        """Positions of instances that share a pass: alike in length, and in their number of sequences."""
        groups: dict[int, list[int]] = {}
        for position, instance in enumerate(instances):
            groups.setdefault(len(instance.sequences), []).append(position)
        for copies, positions in groups.items():
            lengths = [instances[position].longest for position in positions]
            lengths = [*map(roomy, lengths)] if self._recorder else lengths  # those that are replayed have few shapes
            budget = self.config.engine.tokens // copies
            if self._recorder:  # whose room has one instance to spare
                budget = max(1, budget - max(lengths, default=0))
            for rows in plan_batches(lengths, budget):
                yield [positions[row] for row in rows]

    def with_tokens(self, tokens: int) -> Self:
        """The same signer with batches of other sizes."""
        other = copy(self)
        other.config = self.config.with_tokens(tokens)
        other.scorer = self.scorer.with_tokens(tokens)
        return other

    def with_points(self, points: int) -> Self:
        """The same signer with another number of points of the integral."""
        other = copy(self)
        other.scorer = self.scorer.with_points(points)
        return other

    def kept(self, scores: Float32) -> list[ScoredNeuron]:
        """Kept neurons of scores [L, F] as the index keeps them."""
        return as_neurons(scores, self.config.neurons.keep)

    def edit(self, instances: Sequence[RenderedInstance], edits: Sequence[Sequence[NeuronEdit]]) -> list[EditedOutputs]:
        """What the model says of each text under edits of its own; see `Editor.edited`.

        Raises:
            InputError: a neuron that the model does not have, or the model says something else of a text's row than of the text.
        """
        self.rows.check_all(instances)
        editor = Editor(self.config, self.loaded, self.objective, self._text)
        return [editor.edited(instance, variants) for instance, variants in zip(instances, edits, strict=True)]

    def _text(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""
        return str(self.loaded.tokenizer.decode(list(tokens))).strip()
