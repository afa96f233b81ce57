"""The one code path that turns texts into gradients and neuron scores, for the build and for queries alike."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

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
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.neurons.quadrature import GRADIENT, Quadrature, quadrature
from attridex.indexer.neurons.rows import packs
from attridex.indexer.neurons.scores import NeuronPass, edited_logits
from attridex.indexer.neurons.token_scores import scores_together
from attridex.indexer.replaying.recording import CudaGraphs
from attridex.indexer.replaying.replays import Replays, roomy
from attridex.indexer.signing.continuations import continuation
from attridex.indexer.signing.dense import DenseSignatures
from attridex.indexer.signing.edits import EditedOutputs, EditedProbes, NeuronEdit
from attridex.indexer.signing.neuron_passes import NeuronPasses, TokenPasses
from attridex.indexer.signing.passes import Arriving, GradientBatch, PassResults, on_host, overlapped, readings
from attridex.indexer.signing.probe_means import ScoredInstance, probe_means
from attridex.indexer.signing.row_checks import RowChecks
from attridex.indexer.signing.signature import (
    Decision,
    Float32,
    GradientReading,
    NeuronReading,
    ScoredNeuron,
    Signature,
    as_neurons,
    output_number,
)
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.indexer.tasks.instance_batches import InstanceBatch, collate
from attridex.indexer.tasks.objective import Reading
from attridex.indexer.tasks.probes import NO_OUTPUT, Probe, ProbeBatch, pad_probes
from attridex.indexer.tasks.registry import objective_of

ATTENTION = 1 << 27
"""Attention weights that a pass over all tokens of texts may keep."""
FACTORS = 1 << 26
"""Factors that edits may have at a time: a mixture of experts has many neurons."""
LOGITS = 1 << 26
"""Logits that edited rows may have at a time: a language model's vocabulary is large."""


class Signer:
    """One model that signs texts. Not thread-safe: hooks and the model's state are its own.

    Attributes:
        labels: names of the model's outputs, in their order.
        layers: number of layers L.
        units: FFN neurons a layer F, those of all its experts counted.
        gradient_dim: stored dimensions d of a gradient.
        earlier: the loaded checkpoints.
        rows: checks of rows that held more than their text.
    """

    def __init__(self, config: Config, loaded: LoadedModel, checkpoints: Sequence[LoadedModel] = ()) -> None:
        """Prepare to sign with a loaded model, and with its earlier checkpoints for TracIn.

        Raises:
            InputError: the parameter scope or the projection does not fit the model.
        """
        self.config, self.loaded = config, loaded
        self.arch, self.labels = loaded.arch, loaded.labels
        self.renderer = make_renderer(config)
        self.objective = objective_of(config.model.task, loaded.arch.outputs)
        self._recorder = CudaGraphs(loaded.device) if config.engine.graphs and loaded.device.type == "cuda" else None
        self._scorings: dict[Quadrature, NeuronPasses | Replays[ProbeBatch, NeuronPass]] = {}
        self.gradients = self._taking(loaded)
        self.earlier = list(checkpoints)
        self.checkpoints = [self._taking(each) for each in checkpoints]
        self.rows = RowChecks(self.arch)
        self.layers, self.units = len(self.arch.layers), self.arch.units(config.neurons.site)
        self.rule = quadrature(config.neurons.rule, config.neurons.steps)
        self.gradient_dim = self.gradients.dim
        self.dense = DenseSignatures(self.layers * self.units, config.neurons)

    @classmethod
    def load(cls, config: Config) -> Self:
        """Load the model of a configuration and its checkpoints; see `models.loading.load_model` for what it raises."""
        return cls(config, load_model(config), [load_model(config, path) for path in config.model.checkpoints])

    def _taking(self, loaded: LoadedModel) -> Gradients:
        """The way to take gradients of a model."""
        made = make_gradients(loaded.arch, self.objective, self.config.gradients)
        return Replayed(made, self._recorder, loaded.arch.model.dtype) if self._recorder else made

    def _scoring(self, rule: Quadrature) -> NeuronPasses | Replays[ProbeBatch, NeuronPass]:
        """The way to score neurons by a rule."""
        if rule not in self._scorings:
            made = NeuronPasses(self.arch, self.config.neurons.site, rule, self.objective.watch)
            self._scorings[rule] = Replays(made, self._recorder, self.arch.model.dtype) if self._recorder else made
        return self._scorings[rule]

    @cached_property
    def _token_scoring(self) -> TokenPasses | Replays[InstanceBatch, NeuronPass]:
        """The way to score neurons at all tokens of texts."""
        made = TokenPasses(self.arch, self.config.neurons.site, self.objective.watch)
        return Replays(made, self._recorder, self.arch.model.dtype) if self._recorder else made

    def unreplayed(self, instances: Sequence[RenderedInstance]) -> str:
        """Why a GPU's passes over instances like these are plain ones; empty where they are replayed, and without a GPU."""
        found = (("gradients", self._untaken(instances)), ("neurons", self._unscored(instances)))
        return "; ".join(f"{what}: {why}" for what, why in found if why)

    def _untaken(self, instances: Sequence[RenderedInstance]) -> str:
        if not isinstance(self.gradients, Replayed):
            return ""
        chosen, predicted = [instances[at] for at in next(self.batches(instances))], self.config.gradients.label == "predicted"
        return self.gradients.replays.tried(collate(chosen, self.loaded.pad, self.loaded.device, predicted=predicted))

    def _unscored(self, instances: Sequence[RenderedInstance]) -> str:
        if not self.config.neurons.enabled:
            return ""
        pad, device = self.loaded.pad, self.loaded.device
        if self.in_one_pass(fast=False):
            at_tokens = self._token_scoring
            return at_tokens.tried(collate(instances[:1], pad, device)) if isinstance(at_tokens, Replays) else ""
        scoring, probes = self._scoring(self.rule), self.objective.probes(instances[0], NO_OUTPUT, 0.0)
        return scoring.tried(pad_probes(probes, pad, device)) if isinstance(scoring, Replays) else ""

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
        scored = dict(self.neuron_scores(instances, decisions, fast=fast, named=bool(output))) if neurons else {}
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
            lengths = [self._size(instances[position].longest) for position in positions]
            for rows in plan_batches(lengths, self.config.engine.tokens // copies):
                yield [positions[row] for row in rows]

    def _size(self, length: int) -> int:
        """What a text is taken for when batches are planned: those that are replayed have few shapes."""
        return roomy(length) if self._recorder else length

    def neuron_scores(
        self, instances: Sequence[RenderedInstance], decisions: Sequence[Decision], *, fast: bool = False, named: bool = False
    ) -> Iterator[ScoredInstance]:
        """Neuron scores of instances, each as soon as it is known.

        Args:
            instances: rendered texts.
            decisions: theirs.
            fast: take activation times gradient instead of the configured rule.
            named: whether the decisions say which output is explained, not the task.
        """
        self.arch.check_site(self.config.neurons.site)
        rule = GRADIENT if fast else self.rule
        if self.in_one_pass(fast=fast):
            yield from self._token_scores(instances)
            return
        owners, probes = list[int](), list[Probe]()
        for position, (instance, decision) in enumerate(zip(instances, decisions, strict=True)):
            own = self.objective.probes(instance, decision.predicted, decision.margin)
            owners += [position] * len(own)
            probes += [replace(probe, output=decision.predicted) for probe in own] if named else own
        scored = (ScoredInstance(owners[at], reading) for at, reading in self._probe_readings(probes, rule))
        yield from probe_means(scored, Counter(owners))

    def in_one_pass(self, *, fast: bool) -> bool:
        """Whether the neurons of all target tokens of a text are scored in one pass; `fast` as in `neuron_scores`."""
        rule = GRADIENT if fast else self.rule
        return rule == GRADIENT and self.config.model.task == "causal-lm" and self.together

    @cached_property
    def together(self) -> bool:
        """Whether activation times gradient of all tokens of a text comes from one pass."""
        return scores_together(self.arch, self.config.neurons.site)

    def _token_scores(self, instances: Sequence[RenderedInstance]) -> Iterator[ScoredInstance]:
        """Activation times gradient of instances, the mean over each one's target tokens, batch after batch."""
        lengths = [self._size(instance.longest) for instance in instances]
        weights = ATTENTION // max(1, self.arch.heads * self.layers * max(lengths, default=1))
        budget = min(self.config.engine.tokens, LOGITS // self.arch.outputs, weights)
        begun = ((part, self._scored_tokens([instances[at] for at in part])) for part in plan_batches(lengths, budget))
        for part, arriving in overlapped(begun, self.loaded.device):
            yield from map(ScoredInstance, part, readings(arriving))

    def _scored_tokens(self, instances: Sequence[RenderedInstance]) -> Arriving:
        return self._sent(self._token_scoring.take(collate(instances, self.loaded.pad, self.loaded.device)))

    def _sent(self, scored: NeuronPass) -> Arriving:
        """Scores and activations as they are stored, on their way."""
        return Arriving(scored.scores.float(), self.dense(scored.activations), self.dense(scored.scores))

    def _probe_readings(self, probes: Sequence[Probe], rule: Quadrature) -> Iterator[tuple[int, NeuronReading]]:
        """The readings of probes with their positions, batch after batch."""
        lengths = [self._size(len(probe.sequence)) for probe in probes]
        parts = plan_batches(lengths, *self._neuron_budget(rule))
        begun = ((part, self._score([probes[at] for at in part], rule)) for part in parts)
        for part, arriving in overlapped(begun, self.loaded.device):
            yield from zip(part, readings(arriving), strict=True)

    def _score(self, probes: Sequence[Probe], rule: Quadrature) -> Arriving:
        return self._sent(self._scoring(rule).take(pad_probes(probes, self.loaded.pad, self.loaded.device)))

    def _neuron_budget(self, rule: Quadrature) -> tuple[int, int]:
        """Tokens of a scored batch, and the tokens' worth of edited copies that ride along with each sequence."""
        riding = self.layers * len(rule.points) if self.arch.causal and rule != GRADIENT else 0
        return min(self.config.engine.tokens, LOGITS // self.arch.outputs), riding

    def with_tokens(self, tokens: int) -> Self:
        """The same signer with batches of other sizes."""
        other = copy(self)
        other.config = self.config.with_tokens(tokens)
        return other

    def with_points(self, points: int) -> Self:
        """The same signer with another number of points of the integral."""
        other = copy(self)
        other.rule = quadrature(self.config.neurons.rule, points)
        return other

    def scored_at_once(self, length: int) -> int:
        """Sequences of a length whose neurons are scored in one pass."""
        tokens, riding = self._neuron_budget(self.rule)
        return max(1, tokens // (length + riding))

    def kept(self, scores: Float32) -> list[ScoredNeuron]:
        """Kept neurons of scores [L, F] as the index keeps them."""
        return as_neurons(scores, self.config.neurons.keep)

    def edit(self, instances: Sequence[RenderedInstance], edits: Sequence[Sequence[NeuronEdit]]) -> list[EditedOutputs]:
        """What the model says under edits at the read position (causal-lm: at the position before each target token).

        Raises:
            InputError: a neuron that the model does not have.
        """
        return [self._edited(instance, variants) for instance, variants in zip(instances, edits, strict=True)]

    def _edited(self, instance: RenderedInstance, edits: Sequence[NeuronEdit]) -> EditedOutputs:
        self.arch.check_site(self.config.neurons.site)
        for edit in edits:
            edit.check(self.layers, self.units)
        self.rows.check(instance)
        probes = self.objective.edited(instance)
        longest = max(len(probe.sequence) for probe in probes)
        apart = self.config.model.task in LANGUAGE_TASKS  # choices decide together
        most = max(1, self.config.engine.tokens // longest) if apart else len(probes)
        parts = [probes[start : start + most] for start in range(0, len(probes), most)]
        found = [self._edited_probes(part, edits, instance.outputs) for part in parts]
        probabilities = [each.probabilities for each in found]
        mean = np.average(probabilities, axis=0, weights=[*map(len, parts)]) if len(parts) > 1 else probabilities[0]
        said = [[token for each in found for token in each.best[row]] for row in range(len(mean))]
        return EditedOutputs(mean.astype(np.float32), tuple(map(self._text, said)) if apart else None, tuple(found[0].said))

    def _edited_probes(self, probes: Sequence[Probe], edits: Sequence[NeuronEdit], outputs: Sequence[str]) -> EditedProbes:
        """What is decided of probes under edits, row by row; row 0 is unedited."""
        batch, wanted = pad_probes(probes, self.loaded.pad, self.loaded.device)
        width = 1 if packs(self.arch, batch) else batch.ids.shape[1]
        chunk = max(1, min(self.config.engine.tokens // width, LOGITS // self.arch.outputs) // len(probes))
        probabilities, best, said = list[Float32](), list[list[int]](), list[str]()
        for number, part in enumerate(self._factors(edits, min(chunk, max(1, FACTORS // (self.layers * self.units))))):
            logits = edited_logits(self.arch, batch, self.config.neurons.site, part.expand(len(probes), *part.shape))
            fresh = slice(1 if number else 0, None)  # every pass has the unedited row first
            probabilities.append(on_host(self.objective.decide(logits, wanted)[fresh]))
            best += logits[:, fresh].argmax(-1).T.tolist()
            said += self.objective.answers(logits[:, fresh], wanted, outputs)
        return EditedProbes(np.concatenate(probabilities), best, said)

    def _text(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""
        return str(self.loaded.tokenizer.decode(list(tokens))).strip()

    def _factors(self, edits: Sequence[NeuronEdit], chunk: int) -> Iterator[Tensor]:
        """What each activation is multiplied by [V, L, F], some edits at a time; once nothing where there are none."""
        for start in range(0, max(1, len(edits)), chunk):
            found = [edit.factors(self.layers, self.units) for edit in edits[start : start + chunk]]
            yield torch.stack(found) if found else torch.ones(0, self.layers, self.units)
