"""What signing costs, found on one text within a limit of time, whatever the model: more is tried only where it will fit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from attridex.indexer.building.load import Load, counted, work_of
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.forms.encoding import Tokens
from attridex.indexer.neurons.quadrature import GRADIENT
from attridex.indexer.signing.signature import Decision
from attridex.indexer.signing.signer import Signer

SHORT, LONG = 16, 256
"""Tokens of the text that is tried first, and at most."""
FEW = 2
"""Points of an integral that is too slow to be tried whole."""


@dataclass(frozen=True)
class Pace:
    """Seconds that signing takes.

    Attributes:
        gradients: a token.
        neurons: a token of a sequence whose neurons are scored by the index's rule (see `load.work_of`); 0 without neurons.
        fast: the same by activation times gradient.
        tokens: that a pass for gradients had at most while this was found.
        sequences: that were scored at once, at most, by the index's rule.
    """

    gradients: float
    neurons: float = 0.0
    fast: float = 0.0
    tokens: int = 1
    sequences: int = 1

    def seconds(self, load: Load) -> float:
        """Of some work."""
        return self.gradients * load.tokens + self.neurons * load.probe_tokens


def measured_pace(signer: Signer, sample: Sequence[RenderedInstance], limit: float) -> Pace:
    """Try a text of middling length, cut to what the limit allows; first its beginning, which pays for what is made once.

    Args:
        signer: of the index.
        sample: instances, at least one.
        limit: seconds, about.
    """
    typical = sorted(sample, key=lambda instance: instance.longest)[len(sample) // 2]
    trial = Trial(signer, limit)
    decision = trial.decision(shortened(typical, SHORT))
    short = trial.gradients(shortened(typical, SHORT), many=False)
    text = shortened(typical, max(SHORT, min(LONG, int(limit / 8 / short))))
    gradients = trial.gradients(text, many=True)
    whole, fast = trial.neurons(text, decision) if signer.config.neurons.enabled else (0.0, 0.0)
    return Pace(gradients, whole, fast, trial.tokens, trial.sequences)


def shortened(instance: RenderedInstance, length: int) -> RenderedInstance:
    """The beginning of an instance, with at least one target: it takes the time of an instance of that length.

    Of a text that is read once the last token stays too, for a head may read its end of text (T5, BART).
    """
    if instance.longest <= length:
        return instance
    inside = [at for at, read in enumerate(instance.reads) if read < length - 1]
    reads = tuple(instance.reads[at] for at in inside) or (length - 2,) * bool(instance.reads)

    def cut(tokens: Tokens) -> Tokens:
        return tokens if len(tokens) <= length else (*tokens[: length - 1], tokens[length - 1 if reads else -1])

    return replace(
        instance,
        sequences=tuple(map(cut, instance.sequences)),
        types=tuple(map(cut, instance.types)),
        reads=reads,
        wanted=instance.wanted[: len(reads)],
    )


def one_target(instance: RenderedInstance) -> RenderedInstance:
    """An instance with the last of its targets alone."""
    return replace(instance, reads=instance.reads[-1:], wanted=instance.wanted[-1:]) if instance.reads else instance


class Trial:
    """Times the work of copies of one text, more of them as long as they fit into the limit.

    Attributes:
        tokens: that a pass for gradients had at most.
        sequences: that were scored at once, at most, by the index's rule.
    """

    def __init__(self, signer: Signer, limit: float) -> None:
        """`limit` in seconds."""
        self._signer, self._limit = signer, limit
        self.tokens = self.sequences = 1

    def decision(self, text: RenderedInstance) -> Decision:
        """What the model decides of a text."""
        (batch,) = self._signer.gradient_batches([text], gradient=False)
        return batch.readings[0].decision

    def gradients(self, text: RenderedInstance, *, many: bool) -> float:
        """Seconds a token."""
        signer = self._signer

        def take(copies: int) -> None:
            self.tokens = max(self.tokens, copies * text.tokens)
            list(signer.gradient_batches([text] * copies, label=signer.config.gradients.label, tracin=True))

        most = signer.config.engine.tokens // text.tokens if many else 1
        return self._ladder(take, most) / text.tokens

    def neurons(self, text: RenderedInstance, decision: Decision) -> tuple[float, float]:
        """Seconds a token by the index's rule, and by activation times gradient; each is begun on a short text, uncounted."""
        signer, one = self._signer, one_target(text)
        tried = text if signer.scorer.in_one_pass(fast=True) else one
        self._scoring(signer, shortened(one, SHORT), decision, fast=True)(1)
        fast = self._ladder(self._scoring(signer, tried, decision, fast=True), signer.scorer.at_once(text.longest))
        quick = fast / work_of(signer, counted([tried]), fast=True).probe_tokens
        if signer.scorer.rule == GRADIENT:
            return quick, quick
        return self._whole_rule(one, decision, fast) / work_of(signer, counted([one])).probe_tokens, quick

    def _whole_rule(self, text: RenderedInstance, decision: Decision, fast: float) -> float:
        """Seconds a text by the index's rule: tried, or reckoned from fewer points, or from the passes that it makes."""
        signer, points, short = self._signer, len(self._signer.scorer.rule.points), shortened(text, SHORT)
        if passes(signer, short, FEW) * fast <= self._limit / 8:
            self._scoring(signer.with_points(FEW), short, decision)(1)
        if passes(signer, text, points) * fast <= self._limit / 2:
            return self._ladder(self._scoring(signer, text, decision), signer.scorer.at_once(text.longest))
        if passes(signer, text, 2 * FEW) * fast > self._limit / 4:
            return passes(signer, text, points) * fast
        few, more = (self._ladder(self._scoring(signer.with_points(n), text, decision), 1) for n in (FEW, 2 * FEW))
        return few + (points - FEW) * max(0.0, more - few) / FEW

    def _scoring(
        self, signer: Signer, text: RenderedInstance, decision: Decision, *, fast: bool = False
    ) -> Callable[[int], None]:
        def score(copies: int) -> None:
            if not fast and signer is self._signer:
                self.sequences = max(self.sequences, copies)
            list(signer.scorer.scores([text] * copies, [decision] * copies, fast=fast))

        return score

    def _ladder(self, work: Callable[[int], None], most: int) -> float:
        """Seconds of one text among as many as are worked on at once; their number doubles while they fit."""
        copies, spent = 1, 0.0
        while True:
            taken = self._seconds(work, copies)
            spent += taken
            if copies >= most or spent + 2 * taken > self._limit / 4:
                return taken / copies
            copies = min(2 * copies, most)

    def _seconds(self, work: Callable[[int], None], copies: int) -> float:
        """Seconds of some work; what is done in no time is done twice, since other processes may have held up the first."""
        taken = float("inf")
        for _ in range(2):
            began = time.perf_counter()
            work(copies)
            taken = min(taken, time.perf_counter() - began)
            if taken > self._limit / 16:
                break
        return taken


def passes(signer: Signer, text: RenderedInstance, points: int) -> float:
    """How much longer an integral of some points takes than activation times gradient, by the tokens that run.

    Packed, the edited copies of one token run through half of the layers; else whole sequences do, once for each layer.
    """
    copies = signer.layers * points / 2
    return 1 + copies / text.longest if signer.arch.causal else signer.layers / 3 + copies
