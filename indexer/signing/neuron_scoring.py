"""Scores the neurons of texts: by probes, whose passes carry edited copies, or in one pass over all tokens of a text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Self

from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.batches import plan_batches
from attridex.indexer.models.loading import LoadedModel
from attridex.indexer.models.precision import precision_of
from attridex.indexer.neurons.quadrature import GRADIENT, Quadrature, quadrature
from attridex.indexer.neurons.scores import NeuronPass
from attridex.indexer.neurons.token_scores import scores_together
from attridex.indexer.replaying.recording import Recorder
from attridex.indexer.replaying.replays import Replays, roomy
from attridex.indexer.signing.dense import DenseSignatures
from attridex.indexer.signing.neuron_passes import NeuronPasses, TokenPasses
from attridex.indexer.signing.passes import Arriving, overlapped, readings
from attridex.indexer.signing.probe_means import ScoredInstance, probe_means
from attridex.indexer.signing.signature import Decision, NeuronReading
from attridex.indexer.tasks.instance_batches import InstanceBatch, collate
from attridex.indexer.tasks.objective import Objective
from attridex.indexer.tasks.probes import NO_OUTPUT, Probe, ProbeBatch, pad_probes

ATTENTION = 1 << 27
"""Attention weights that a pass over all tokens of texts may keep."""
LOGITS = 1 << 26
"""Logits that edited rows may have at a time: a language model's vocabulary is large."""


class NeuronScorer:
    """Scores neurons of one model. Not thread-safe: hooks and the model's state are its own.

    Attributes:
        rule: of the integral that is scored.
        dense: what is stored of all activations and scores of a text.
    """

    def __init__(self, config: Config, loaded: LoadedModel, objective: Objective, recorder: Recorder | None) -> None:
        """Prepare to score.

        Args:
            config: of the build.
            loaded: the model.
            objective: of its task.
            recorder: of passes that are replayed; None where none are.
        """
        self._config, self._loaded, self._objective, self._recorder = config, loaded, objective, recorder
        self._arch, self._site = loaded.arch, config.neurons.site
        self._precision = precision_of(config.model, loaded.arch.model.dtype)
        self._scorings: dict[Quadrature, NeuronPasses | Replays[ProbeBatch, NeuronPass]] = {}
        self._layers = len(self._arch.layers)
        self.rule = quadrature(config.neurons.rule, config.neurons.steps)
        self.dense = DenseSignatures(self._layers * self._arch.units(self._site), config.neurons)

    def with_tokens(self, tokens: int) -> Self:
        """The same with batches of other sizes."""
        other = copy(self)
        other._config = self._config.with_tokens(tokens)
        return other

    def with_points(self, points: int) -> Self:
        """The same with another number of points of the integral."""
        other = copy(self)
        other.rule = quadrature(self._config.neurons.rule, points)
        return other

    def scores(
        self, instances: Sequence[RenderedInstance], decisions: Sequence[Decision], *, fast: bool = False, named: bool = False
    ) -> Iterator[ScoredInstance]:
        """Neuron scores of instances, each as soon as it is known.

        Args:
            instances: rendered texts.
            decisions: theirs.
            fast: take activation times gradient instead of the configured rule.
            named: whether the decisions say which output is explained, not the task.
        """
        self._arch.check_site(self._site)
        rule = GRADIENT if fast else self.rule
        if self.in_one_pass(fast=fast):
            yield from self._token_scores(instances)
            return
        owners, probes = list[int](), list[Probe]()
        for position, (instance, decision) in enumerate(zip(instances, decisions, strict=True)):
            own = self._objective.probes(instance, decision.predicted, decision.margin)
            owners += [position] * len(own)
            probes += [replace(probe, output=decision.predicted) for probe in own] if named else own
        scored = (ScoredInstance(owners[at], reading) for at, reading in self._probe_readings(probes, rule))
        yield from probe_means(scored, Counter(owners))

    def in_one_pass(self, *, fast: bool) -> bool:
        """Whether the neurons of all target tokens of a text are scored in one pass; `fast` as in `scores`."""
        rule = GRADIENT if fast else self.rule
        return rule == GRADIENT and self._config.model.task == "causal-lm" and self.together

    def at_once(self, length: int) -> int:
        """Sequences of a length whose neurons are scored in one pass."""
        tokens, riding = self._budget(self.rule)
        return max(1, tokens // (length + riding))

    def unreplayed(self, instances: Sequence[RenderedInstance]) -> str:
        """Why a GPU's passes over instances like these are plain ones; empty where they are replayed, and without a GPU."""
        if not self._config.neurons.enabled:
            return ""
        pad, device = self._loaded.pad, self._loaded.device
        if self.in_one_pass(fast=False):
            at_tokens = self._token_scoring
            return at_tokens.tried(collate(instances[:1], pad, device)) if isinstance(at_tokens, Replays) else ""
        scoring, probes = self._scoring(self.rule), self._objective.probes(instances[0], NO_OUTPUT, 0.0)
        return scoring.tried(pad_probes(probes, pad, device)) if isinstance(scoring, Replays) else ""

    @cached_property
    def together(self) -> bool:
        """Whether activation times gradient of all tokens of a text comes from one pass."""
        return scores_together(self._arch, self._site)

    def _scoring(self, rule: Quadrature) -> NeuronPasses | Replays[ProbeBatch, NeuronPass]:
        """The way to score neurons by a rule."""
        if rule not in self._scorings:
            made = NeuronPasses(self._arch, self._site, rule, self._objective.watch, self._config.model.max_length)
            self._scorings[rule] = Replays(made, self._recorder, self._precision) if self._recorder else made
        return self._scorings[rule]

    @cached_property
    def _token_scoring(self) -> TokenPasses | Replays[InstanceBatch, NeuronPass]:
        """The way to score neurons at all tokens of texts."""
        made = TokenPasses(self._arch, self._site, self._objective.watch, self._config.model.max_length)
        return Replays(made, self._recorder, self._precision) if self._recorder else made

    def _token_scores(self, instances: Sequence[RenderedInstance]) -> Iterator[ScoredInstance]:
        """Activation times gradient of instances, the mean over each one's target tokens, batch after batch."""
        lengths = [self._size(instance.longest) for instance in instances]
        weights = ATTENTION // max(1, self._arch.heads * self._layers * max(lengths, default=1))
        budget = min(self._config.engine.tokens, LOGITS // self._arch.outputs, weights)
        begun = ((part, self._scored_tokens([instances[at] for at in part])) for part in plan_batches(lengths, budget))
        for part, arriving in overlapped(begun, self._loaded.device):
            yield from map(ScoredInstance, part, readings(arriving))

    def _scored_tokens(self, instances: Sequence[RenderedInstance]) -> Arriving:
        return self._sent(self._token_scoring.take(collate(instances, self._loaded.pad, self._loaded.device)))

    def _probe_readings(self, probes: Sequence[Probe], rule: Quadrature) -> Iterator[tuple[int, NeuronReading]]:
        """The readings of probes with their positions, batch after batch."""
        lengths = [self._size(len(probe.sequence)) for probe in probes]
        parts = plan_batches(lengths, *self._budget(rule))
        begun = ((part, self._scored([probes[at] for at in part], rule)) for part in parts)
        for part, arriving in overlapped(begun, self._loaded.device):
            yield from zip(part, readings(arriving), strict=True)

    def _scored(self, probes: Sequence[Probe], rule: Quadrature) -> Arriving:
        return self._sent(self._scoring(rule).take(pad_probes(probes, self._loaded.pad, self._loaded.device)))

    def _sent(self, scored: NeuronPass) -> Arriving:
        """Scores and activations as they are stored, on their way."""
        return Arriving(scored.scores.float(), self.dense(scored.activations), self.dense(scored.scores))

    def _size(self, length: int) -> int:
        """What a text is taken for when batches are planned: those that are replayed have few shapes."""
        return roomy(length) if self._recorder else length

    def _budget(self, rule: Quadrature) -> tuple[int, int]:
        """Tokens of a scored batch, and the tokens' worth of edited copies that ride along with each sequence."""
        riding = self._layers * len(rule.points) if self._arch.causal and rule != GRADIENT else 0
        return min(self._config.engine.tokens, LOGITS // self._arch.outputs), riding
