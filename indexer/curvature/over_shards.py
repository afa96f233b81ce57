"""What a version knows of all instances together: curvatures of the training loss, and every instance's self-influence."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from attridex.indexer.curvature.kfac import Refit, kfac
from attridex.indexer.curvature.matrices import Fisher, HeadHessian, TrakKernel, decompose
from attridex.indexer.curvature.spectrum import Spectrum, inverse
from attridex.indexer.curvature.tensors import Tensors
from attridex.indexer.index.layout import HIDDEN, SELF_INFLUENCE, self_influence_columns
from attridex.indexer.index.records import Block
from attridex.indexer.index.shards import Shard

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
ROWS = 1024
"""Instances whose self-influence is computed at a time."""


class Statistics:
    """Sums over the shards of a version, in their order."""

    def __init__(self, shards: Sequence[Shard], blocks: list[Block]) -> None:
        """`blocks` of the stored vector."""
        self._shards = shards
        self._rows = sum(shard.rows for shard in shards)
        self._blocks = blocks

    def _gradients(self) -> Iterator[Float32[Singles, "n d"]]:
        """Every shard's gradients, not normalised."""
        return (shard.gradients() for shard in self._shards)

    def curvatures(self, kinds: Sequence[str]) -> Tensors:
        """Eigendecompositions by tensor name."""
        tensors: Tensors = {}
        if "fisher" in kinds:
            tensors |= decompose("fisher", self._fisher().matrices())
        if "hessian" in kinds:
            tensors |= decompose("hessian", self._hessian().matrices())
        if "trak" in kinds:
            tensors |= decompose("trak", self._trak().matrices())
        if {"kfac", "ekfac"} & set(kinds):
            tensors |= kfac(self._factors(), self._rows, len(self._blocks))
        if "ekfac" in kinds:
            tensors |= self._refit(tensors).tensors()
        return tensors

    def _fisher(self) -> Fisher:
        fisher = Fisher(self._blocks)
        for gradients in self._gradients():
            fisher.add(gradients)
        return fisher

    def _hessian(self) -> HeadHessian:
        first = self._shards[0]
        hessian = HeadHessian(first.predictions().shape[1], first.vectors(HIDDEN).dim)
        for shard in self._shards:
            hessian.add(shard.predictions(), shard.hidden())
        return hessian

    def _trak(self) -> TrakKernel:
        kernel = TrakKernel(self._blocks[-1].stop)
        for shard in self._shards:
            kernel.add(shard.gradients(), shard.instances(["loss"]).column("loss").to_numpy())
        return kernel

    def _factors(self) -> Tensors:
        total: Tensors = {}
        for shard in self._shards:
            for name, values in shard.factors().items():
                total[name] = total.get(name, 0) + values
        return total

    def _refit(self, tensors: Tensors) -> Refit:
        refit = Refit(tensors, self._blocks)
        for gradients in self._gradients():
            refit.add(gradients)
        return refit

    def self_influence(self, kinds: Sequence[str], tensors: Mapping[str, Doubles]) -> dict[str, Float64[Doubles, " n"]]:
        """g^T g of every instance, and g^T (H + damping I)^-1 g for every curvature at its default damping."""
        dim = self._blocks[-1].stop
        spectra = {kind: Spectrum.read(tensors, kind, self._blocks, dim) for kind in kinds if kind != "trak"}
        found: dict[str, list[Doubles]] = {name: [] for name in self_influence_columns(kinds)}
        for gradients in self._gradients():
            for start in range(0, len(gradients), ROWS):
                rows = gradients[start : start + ROWS].astype(np.float64)
                found[SELF_INFLUENCE].append((rows**2).sum(1))
                for kind, spectrum in spectra.items():
                    found[f"{SELF_INFLUENCE}_{kind}"].append(spectrum.quadratic(rows, inverse(spectrum.damping)))
        return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in found.items()}
