"""How much work a corpus is, and a sample of it, taken while it is surveyed."""

import random
from dataclasses import dataclass, field

from attridex.indexer.corpus.instances import RenderedInstance

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
