"""One request's context."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.service.caller import Caller
from attridex.service.encoding.encoder import Encoder
from attridex.service.meaning import Meaning
from attridex.service.reading.reader import Reader
from attridex.service.scoring.settle import Methods
from attridex.service.search.planner import Planner
from attridex.service.search.scan import Scanner
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Info
from attridex.v1.filters import Filter
from attridex.v1.requests import LabelSource

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Tools:
    """What the requests of one index share.

    Attributes:
        name: the index's name on the wire.
        encoder: turns texts into signatures; None where the index is served without its model.
        methods: every IA method there is.
        planner: remembers masks of rows.
        scanner: scans vectors in its threads.
    """

    name: str
    encoder: Encoder | None
    methods: Methods
    planner: Planner
    scanner: Scanner


@dataclass(frozen=True)
class Call:
    """A request under way: the version that it is answered from, who waits for it, and what it is answered with."""

    tools: Tools
    version: IndexVersion
    caller: Caller

    @property
    def reader(self) -> Reader:
        """Makes the call's queries ready."""
        return Reader(self.version, self.tools.encoder, self.caller)

    def label(self, asked: LabelSource | None) -> LabelSource:
        """Whose loss is asked about: as the index was built, where that is not said."""
        return asked or ("predicted" if self.version.manifest.label == "predicted" else "gold")

    def mask(self, where: Filter | None) -> Mask | None:
        """Rows that may be hits [n]; None where all may."""
        return self.tools.planner.mask(self.version, where)

    def info(self, method: str, meaning: Meaning) -> Info:
        """How an exact answer was made, with the time that it took until now."""
        manifest, timings, shards = self.version.manifest, self.caller.spent.timings, len(self.version.manifest.shards)
        return Info(
            self.tools.name, manifest.version, method, meaning.sign, meaning.scale, timings=timings,
            shards_ok=shards - len(self.caller.lacking.shards), shards_total=shards,
        )  # fmt: skip
