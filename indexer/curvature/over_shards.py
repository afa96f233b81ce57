"""What a version knows of all instances together: curvatures of the training loss, and every instance's self-influence."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float32, Float64
from numpy.typing import NDArray
from safetensors.numpy import load_file

from attridex.indexer.curvature.kfac import Refit, kfac
from attridex.indexer.curvature.matrices import Fisher, HeadHessian, TrakKernel, decompose
from attridex.indexer.curvature.spectrum import Spectrum, inverse
from attridex.indexer.curvature.tensors import Tensors
from attridex.indexer.index.layout import (
    FACTORS,
    GRADIENTS,
    HIDDEN,
    HIDDEN_NORMS,
    INSTANCES,
    NORMS,
    PREDICTIONS,
    Block,
    ShardEntry,
    shard_dir,
)
from attridex.indexer.index.vectors import VectorFile

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
SELF_INFLUENCE = "self_influence"
ROWS = 1024
"""Instances whose self-influence is computed at a time."""


def self_influence_columns(kinds: Sequence[str]) -> list[str]:
    """Names of the columns: `self_influence` by inner product, and one for each curvature at its default damping."""
    return [SELF_INFLUENCE, *(f"{SELF_INFLUENCE}_{kind}" for kind in kinds if kind != "trak")]


class ShardGradients(NamedTuple):
    """A shard's directory, and the gradients of its rows."""

    shard: Path
    gradients: Float32[Singles, "n d"]


class Statistics:
    """Sums over the shards of a version, in their order."""

    def __init__(self, index: Path, entries: Sequence[ShardEntry], blocks: list[Block]) -> None:
        """`blocks` of the stored vector."""
        self._shards = [shard_dir(index, entry.name) for entry in entries]
        self._rows = sum(entry.rows for entry in entries)
        self._blocks = blocks

    def _gradients(self) -> Iterator[ShardGradients]:
        """Every shard with its gradients, not normalised."""
        for shard in self._shards:
            vectors = VectorFile(shard / GRADIENTS)
            yield ShardGradients(shard, vectors.block(0, vectors.rows) * np.load(shard / NORMS)[:, None])

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
        for _, gradients in self._gradients():
            fisher.add(gradients)
        return fisher

    def _hessian(self) -> HeadHessian:
        first = np.load(self._shards[0] / PREDICTIONS).shape[1]
        hessian = HeadHessian(first, VectorFile(self._shards[0] / HIDDEN).dim)
        for shard in self._shards:
            states = VectorFile(shard / HIDDEN)
            hessian.add(np.load(shard / PREDICTIONS), states.block(0, states.rows) * np.load(shard / HIDDEN_NORMS)[:, None])
        return hessian

    def _trak(self) -> TrakKernel:
        kernel = TrakKernel(self._blocks[-1].stop)
        for shard, gradients in self._gradients():
            kernel.add(gradients, pq.read_table(shard / INSTANCES, columns=["loss"]).column("loss").to_numpy())
        return kernel

    def _factors(self) -> Tensors:
        total: Tensors = {}
        for shard in self._shards:
            for name, values in load_file(shard / FACTORS).items():
                total[name] = total.get(name, 0) + values
        return total

    def _refit(self, tensors: Tensors) -> Refit:
        refit = Refit(tensors, self._blocks)
        for _, gradients in self._gradients():
            refit.add(gradients)
        return refit

    def self_influence(self, kinds: Sequence[str], tensors: Mapping[str, Doubles]) -> dict[str, Float64[Doubles, " n"]]:
        """g^T g of every instance, and g^T (H + damping I)^-1 g for every curvature at its default damping."""
        dim = self._blocks[-1].stop
        spectra = {kind: Spectrum.read(tensors, kind, self._blocks, dim) for kind in kinds if kind != "trak"}
        found: dict[str, list[Doubles]] = {name: [] for name in self_influence_columns(kinds)}
        for _, gradients in self._gradients():
            for start in range(0, len(gradients), ROWS):
                rows = gradients[start : start + ROWS].astype(np.float64)
                found[SELF_INFLUENCE].append((rows**2).sum(1))
                for kind, spectrum in spectra.items():
                    found[f"{SELF_INFLUENCE}_{kind}"].append(spectrum.quadratic(rows, inverse(spectrum.damping)))
        return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in found.items()}
