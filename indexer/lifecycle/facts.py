"""What a version knows beside its shards: from the plan and the model of a build, or from a version before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from attridex.indexer.config import Config
from attridex.indexer.fit import Fit
from attridex.indexer.index.layout import is_reserved
from attridex.indexer.index.records import Block, CorpusFacts, LeftOut, Manifest, ModelFacts, Sidecar
from attridex.indexer.index.shards import Shard


@dataclass(frozen=True)
class VersionFacts:
    """What a version knows beside its shards: from the plan and the model of a build, or from a version before.

    Attributes:
        format: of the index.
        config: the whole configuration.
        columns: DuckDB type of each of the corpus's columns.
        model: what is known of the model.
        corpus: what is known of the corpus.
        blocks: of the gradient.
        checkpoints: their hashes.
        precision: element type of stored gradients.
        signature_dim: dimensions of a dense signature, 0 without neurons.
        signature_projected: whether they are projected.
        unusable: records that were left out before any model work.
        fit: gives the check of fit of the shards.
        agreement: gives the neurons' rank agreement in the shards.
    """

    format: int
    config: Config
    columns: Mapping[str, str]
    model: ModelFacts
    corpus: CorpusFacts
    blocks: list[Block]
    checkpoints: list[str]
    precision: str
    signature_dim: int
    signature_projected: bool
    unusable: Sequence[LeftOut]
    fit: Callable[[Sequence[Shard], Sequence[Sidecar]], Fit | None]
    agreement: Callable[[Sequence[Shard]], dict[str, float]]


def facts_of_version(manifest: Manifest, columns: Mapping[str, str], sidecars: Sequence[Sidecar]) -> VersionFacts:
    """Facts of a version before, whose fit and agreement stay what was measured.

    Args:
        manifest: of that version.
        columns: DuckDB type of each of the corpus's columns.
        sidecars: of its shards.
    """
    left_out = [entry for sidecar in sidecars for entry in sidecar.bad]
    return VersionFacts(
        format=manifest.format,
        config=manifest.config,
        columns=columns,
        model=manifest.model,
        corpus=manifest.corpus,
        blocks=manifest.blocks,
        checkpoints=manifest.checkpoints,
        precision=manifest.precision,
        signature_dim=manifest.signature_dim,
        signature_projected=manifest.signature_projected,
        unusable=[entry for entry in manifest.bad if entry not in left_out],
        fit=lambda _shards, _sidecars: manifest.fit,
        agreement=lambda _shards: manifest.agreement,
    )


def corpus_columns(manifest: Manifest) -> dict[str, str]:
    """DuckDB type of each of the corpus's columns of a version."""
    return {name: kind for name, kind in manifest.columns if not is_reserved(name) and name not in manifest.added}
