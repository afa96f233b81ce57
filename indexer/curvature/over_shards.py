"""What a version knows of all instances together: curvatures of the training loss, and every instance's self-influence."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numpy.typing import NDArray

from attridex.indexer.array_types import Doubles, Flags, Singles
from attridex.indexer.curvature.kfac import kfac, refit
from attridex.indexer.curvature.matrices import Matrix, decompose, fisher, float64_chunks, head_hessian, trak_kernel
from attridex.indexer.curvature.spectrum import Spectrum, inverse
from attridex.indexer.curvature.tensors import Tensors
from attridex.indexer.index.layout import HIDDEN, SELF_INFLUENCE, SUMMED, self_influence_columns
from attridex.indexer.index.records import Block
from attridex.indexer.index.shards import Shard
from attridex.indexer.sections import FACTORED

ROWS = 1024
"""Instances whose self-influence is computed at a time."""


class Statistics:
    """Sums over the shards of a version, in their order."""

    def __init__(
        self,
        shards: Sequence[Shard],
        blocks: list[Block],
        alive: Bool[Flags, " n"] | None = None,
        factors: Mapping[str, Doubles] | None = None,
    ) -> None:
        """Make ready.

        Args:
            shards: of the version.
            blocks: of the stored vector.
            alive: rows that count for a curvature; all of them where None.
            factors: sums of K-FAC's factors over those; what the shards that have such rows have summed where None.
        """
        self._sums = factors
        self._shards, self._blocks = shards, blocks
        self._alive = np.ones(sum(shard.rows for shard in shards), bool) if alive is None else alive
        self._summing = [shard for shard in shards if self._alive[shard.start : shard.stop].any()]
        self._dim = blocks[-1].stop

    def _counted(self, values: Callable[[Shard], NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """What every shard has, of the rows that count."""
        return (values(shard)[self._alive[shard.start : shard.stop]] for shard in self._shards)

    def _gradients(self) -> Iterator[Float32[Singles, "n d"]]:
        """The counted gradients, not normalised."""
        return self._counted(Shard.gradients)

    def curvatures(self, kinds: Sequence[str]) -> Tensors:
        """Eigendecompositions by tensor name."""
        tensors: Tensors = {}
        if "fisher" in kinds:
            tensors |= decompose("fisher", fisher(self._gradients(), self._blocks))
        if "hessian" in kinds:
            tensors |= decompose("hessian", self._hessian())
        if "trak" in kinds:
            losses = self._counted(lambda shard: shard.instances(["loss"]).column("loss").to_numpy())
            tensors |= decompose("trak", trak_kernel(self._gradients(), losses, self._dim))
        if FACTORED & {*kinds}:
            tensors |= kfac(self._factors(), self.summed, len(self._blocks))
        if "ekfac" in kinds:
            tensors |= refit(self._gradients(), tensors, self._blocks)
        return tensors

    def _hessian(self) -> list[Matrix]:
        outputs = self._blocks[0].rows  # one logit decides between two labels, the second of which it is of
        predictions = self._counted(lambda shard: shard.predictions()[:, -outputs:])
        hidden = self._counted(Shard.hidden)
        return head_hessian(predictions, hidden, outputs, self._shards[0].vectors(HIDDEN).dim)

    @property
    def summed(self) -> int:
        """Instances that K-FAC's factors are sums over: more than the shards' rows where a compaction has removed some."""
        if self._sums is not None:
            return int(self._alive.sum())
        return sum(int(shard.factors().get(SUMMED, [shard.rows])[0]) for shard in self._summing)

    def _factors(self) -> Tensors:
        if self._sums is not None:
            return dict(self._sums)
        total: Tensors = {}
        for shard in self._summing:
            for name, values in shard.factors().items():
                total[name] = total.get(name, 0) + values
        return total

    def self_influence(self, kinds: Sequence[str], tensors: Mapping[str, Doubles]) -> dict[str, Float64[Doubles, " n"]]:
        """g^T g of every instance, and g^T (H + damping I)^-1 g for every curvature at its default damping."""
        spectra = {kind: Spectrum.read(tensors, kind, self._blocks, self._dim) for kind in kinds if kind != "trak"}
        found: dict[str, list[Doubles]] = {name: [] for name in self_influence_columns(kinds)}
        for (rows,) in float64_chunks(ROWS, (shard.gradients() for shard in self._shards)):
            found[SELF_INFLUENCE].append((rows**2).sum(1))
            for kind, spectrum in spectra.items():
                found[f"{SELF_INFLUENCE}_{kind}"].append(spectrum.quadratic(rows, inverse(spectrum.damping)))
        return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in found.items()}
