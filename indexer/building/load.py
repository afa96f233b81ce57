"""How much work a corpus is, and a sample of it, taken while it is surveyed."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.signing.signer import Signer

SAMPLE = 256
"""Instances of a sample at most."""


@dataclass
class Load:
    """Work: instances and tokens for gradients, sequences and tokens for neurons."""

    instances: int = 0
    tokens: int = 0
    probes: int = 0
    probe_tokens: int = 0

    def add(self, instance: RenderedInstance) -> None:
        """Count an instance: a language model's neurons are scored before each target token, those of choices for one choice."""
        self.instances += 1
        self.tokens += instance.tokens
        self.probes += len(instance.reads) or 1
        longest = instance.longest
        self.probe_tokens += sum(read + 1 for read in instance.reads) if instance.reads else longest

    def times(self, factor: float) -> "Load":
        """The work of so many times as much of a like corpus."""
        parts = (self.instances, self.tokens, self.probes, self.probe_tokens)
        return Load(*(round(part * factor) for part in parts))

    @property
    def in_one_pass(self) -> "Load":
        """The same work where the neurons of all target tokens of a text are scored in one pass over it."""
        return replace(self, probes=self.instances, probe_tokens=self.tokens)


def work_of(signer: Signer, load: Load, *, fast: bool = False) -> Load:
    """The work that instances are for a signer.

    Args:
        signer: of the index.
        load: their tokens, and their target tokens' neurons one by one.
        fast: whether neurons are scored by activation times gradient, whatever rule the index has.
    """
    return load.in_one_pass if signer.config.neurons.enabled and signer.scorer.in_one_pass(fast=fast) else load


def counted(instances: Iterable[RenderedInstance]) -> Load:
    """The tokens of some instances, and their target tokens' neurons one by one."""
    load = Load()
    for instance in instances:
        load.add(instance)
    return load


@dataclass
class Sampler:
    """Sees every instance of a corpus once.

    Attributes:
        load: of all of them.
        kept: a uniform sample (reservoir sampling with a fixed seed).
    """

    load: Load = field(default_factory=Load)
    kept: list[RenderedInstance] = field(default_factory=list)
    _chance: random.Random = field(default_factory=lambda: random.Random(0))

    def see(self, instance: RenderedInstance) -> None:
        """Count an instance, and keep it or not."""
        number = self.load.instances
        self.load.add(instance)
        if number < SAMPLE:
            self.kept.append(instance)
        elif (place := self._chance.randrange(number + 1)) < SAMPLE:
            self.kept[place] = instance

    @property
    def longest_first(self) -> list[RenderedInstance]:
        """The sample, longest instances first."""
        return sorted(self.kept, key=lambda instance: -instance.tokens)
