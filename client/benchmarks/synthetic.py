"""Indices without a model: vectors that are drawn, everything else written as a build writes it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.building.versions import VersionWriter
from attridex.indexer.config import Config, parse_config
from attridex.indexer.files import publish
from attridex.indexer.index.directory import write_current
from attridex.indexer.index.layout import FORMAT, GRADIENTS, HIDDEN, SIDECAR, shard_dir, shard_name
from attridex.indexer.index.records import Block, CorpusFacts, Manifest, ModelFacts, Sidecar, explicit, file_entries, write_record
from attridex.indexer.index.shards import ShardContents, write_shard
from attridex.indexer.lifecycle.facts import VersionFacts
from attridex.indexer.lifecycle.recovery import recovered_log

HIDDEN_DIM, CENTRES = 8, 2000
"""Dimensions of the states; how many clusters the gradients lie in, whose rows lie as far from the centre as that is long."""
Float32 = NDArray[np.float32]


class Shape(NamedTuple):
    """How large an index is: instances, dimensions of a gradient, instances of a shard, "float32" or "float16"."""

    rows: int
    dim: int
    shard_rows: int
    precision: str


def write_synthetic(index: Path, shape: Shape, structures: Sequence[str] = ()) -> Manifest:
    """Write an index of drawn gradients, which no model can be asked about, but ids and vectors can.

    Args:
        index: its directory, which is not there yet.
        shape: its size.
        structures: for approximate search.
    """
    config = parse_config(
        {
            "model": {"path": "none"}, "corpus": {"files": ["none.jsonl"], "text": "{text}"}, "neurons": {"enabled": False},
            "index": {"approximate": list(structures), "shard_rows": shape.shard_rows},
        }, "synthetic", index,
    )  # fmt: skip
    names = [write_drawn(index, shape, start, gradients) for start, gradients in drawn(shape)]
    manifest = VersionWriter(index, facts_of(explicit(config), shape), names).write()
    write_current(index, manifest.version, recovered_log(index))
    return manifest


def centres_of(shape: Shape) -> Float32:
    """The centres of the clusters [c, d]."""
    return np.random.default_rng(0).standard_normal((min(CENTRES, shape.rows), shape.dim), dtype=np.float32)


def drawn(shape: Shape) -> Iterator[tuple[int, Float32]]:
    """Gradients of each shard with the place of its first: in clusters, with norms over two orders of magnitude.

    What they differ by from their centres is drawn once, and then put in another order with other signs in each shard.
    """
    rng, centres = np.random.default_rng(1), centres_of(shape)
    noise = rng.standard_normal((shape.shard_rows, shape.dim), dtype=np.float32)
    for start in range(0, shape.rows, shape.shard_rows):
        count = min(shape.shard_rows, shape.rows - start)
        found = noise[rng.permutation(shape.shard_rows)[:count]]
        found *= rng.choice(np.array([-1, 1], np.float32), shape.dim)
        found += centres[rng.integers(0, len(centres), count)]
        found *= np.float32(10) ** rng.uniform(-1, 1, (count, 1)).astype(np.float32)
        yield start, found


def write_drawn(index: Path, shape: Shape, start: int, gradients: Float32) -> str:
    """Write a shard; its name.

    Args:
        index: the index directory.
        shape: of the index.
        start: place of the shard's first instance.
        gradients: of the shard [n, d].
    """
    count = len(gradients)
    states = np.random.default_rng(start).standard_normal((count, HIDDEN_DIM), dtype=np.float32)
    contents = ShardContents(
        range(count), {GRADIENTS: gradients, HIDDEN: states}, np.full((count, 2), 0.5, np.float32),
        [described(start + at) for at in range(count)],
    )  # fmt: skip
    name = shard_name(start, start + count)
    with publish(shard_dir(index, name)) as directory:
        write_shard(directory, contents, {}, lambda _dim: shape.precision)
        sidecar = Sidecar(
            plan="0" * 64, start=start, stop=start + count, rows=count, tokens=count, truncated=0, bad=[],
            files=file_entries(directory, FORMAT),
        )  # fmt: skip
        write_record(directory / SIDECAR, sidecar)
    return name


def described(row: int) -> dict[str, object]:
    """Columns of an instance."""
    return {
        "id": f"instance-{row}", "content_hash": f"{row:064x}", "label": "ab"[row % 2], "predicted": "a", "loss": 1.0,
        "tokens": 1, "truncated": False,
    }  # fmt: skip


def facts_of(config: Config, shape: Shape) -> VersionFacts:
    """What the version says beside its shards."""
    return VersionFacts(
        format=FORMAT, config=config, columns={},
        model=ModelFacts(
            path="none", hash="0" * 64, tokenizer_hash="0" * 64, family="none", labels=["a", "b"], layers=0, units=0,
            hidden=HIDDEN_DIM,
        ),
        corpus=CorpusFacts(fingerprint="0" * 64, instances=shape.rows, text_fields=[], tokens=shape.rows),
        blocks=[Block(name="drawn", start=0, stop=shape.dim, rows=1, columns=shape.dim)], checkpoints=[],
        precision=shape.precision, signature_dim=0, signature_projected=False, unusable=[],
        fit=lambda _shards, _sidecars: None, agreement=lambda _shards: {},
    )  # fmt: skip
