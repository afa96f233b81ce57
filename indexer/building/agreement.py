"""How well activation times gradient ranks an index's neurons: measured against integrated gradients at commit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.stored import stored_instances
from attridex.indexer.index.shards import Shard
from attridex.indexer.neurons.quadrature import GRADIENT
from attridex.indexer.neurons.scores import kept_neurons
from attridex.indexer.randomness import uniforms
from attridex.indexer.ranks import spearman
from attridex.indexer.signing.signer import Signer

Float32 = NDArray[np.float32]
SAMPLE = 32
"""Instances that are measured."""
TOP = 10


class RankAgreement(NamedTuple):
    """Rank correlation of two score vectors over all neurons and over those that either keeps; share of both's ten best."""

    spearman: float
    spearman_kept: float
    top10: float


def agreement(signer: Signer, shards: Sequence[Shard]) -> dict[str, float]:
    """Rank agreement of activation times gradient with the scores that the index stores, on a seeded sample.

    Returns:
        Means over the sampled instances: `spearman` over all neurons, `spearman_kept` over those that either of the two
        keeps, and `top10`, the share of the ten best that both name; and how many `instances` they are of. Instances whose
        scores are all alike have no ranks and are left out; where none is left, or the index stores activation times
        gradient itself, nothing is said.
    """
    if signer.scorer.rule == GRADIENT:
        return {}
    chosen = sampled(signer, shards)
    pairs = zip(scores(signer, chosen, fast=False), scores(signer, chosen, fast=True), strict=True)
    found = [compare(exact, fast, signer.config.neurons.keep) for exact, fast in pairs if np.ptp(exact) and np.ptp(fast)]
    if not found:
        return {}
    means = RankAgreement(*(round(float(np.mean(column)), 4) for column in zip(*found, strict=True)))
    return {"instances": float(len(found)), **means._asdict()}


def sampled(signer: Signer, shards: Sequence[Shard]) -> list[RenderedInstance]:
    """The sampled instances, from what the shards store."""
    rows = sum(shard.rows for shard in shards)
    chosen = np.sort(np.argsort(uniforms(0, "agreement", rows), kind="stable")[:SAMPLE])
    found = []
    for shard in shards:
        inside = chosen[(chosen >= shard.start) & (chosen < shard.stop)] - shard.start
        if len(inside):
            found += stored_instances(shard, inside.tolist(), signer.config.corpus, signer.renderer)
    return found


def scores(signer: Signer, instances: Sequence[RenderedInstance], *, fast: bool) -> list[Float32]:
    """Neuron scores of each instance [L * F]."""
    signatures = signer.sign(instances, gradient=False, fast=fast)
    return [each.scores.reshape(-1) for each in signatures if each.scores is not None]


def compare(exact: Float32, fast: Float32, share: float) -> RankAgreement:
    """Agreement of two score vectors of one instance; `share` of the largest score keeps a neuron."""
    either = np.union1d(kept_neurons(exact, share), kept_neurons(fast, share))
    both = np.intersect1d(best(exact), best(fast))
    return RankAgreement(
        rank_agreement(exact, fast), rank_agreement(exact[either], fast[either]), len(both) / min(TOP, len(exact))
    )


def best(values: Float32) -> NDArray[np.int64]:
    """Positions of the ten largest values, ties by position."""
    return np.argsort(-values, kind="stable")[:TOP]


def rank_agreement(exact: Float32, fast: Float32) -> float:
    """Spearman's rho; where a side has no order, 1 if neither has one to miss, else 0."""
    ordered = [len(np.unique(side)) > 1 for side in (exact, fast)]
    return spearman(exact, fast) if all(ordered) else float(not any(ordered))
