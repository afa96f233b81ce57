"""An index with every kind of file, and shards of random arrays."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.layout import ACTIVATIONS, ATTRIBUTIONS, GRADIENTS, HIDDEN, TRACIN, shard_dir, shard_name
from attridex.indexer.index.records import ShardEntry
from attridex.indexer.index.shards import Shard, ShardContents, open_shards, write_shard

OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"
COLUMNS = {"genre": "VARCHAR", "year": "BIGINT", "weight": "DOUBLE", "checked": "BOOLEAN"}
WORDS = ("doctor", "lawyer", "dog", "cat", "park")
LAYERS, UNITS = 2, 7


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of a small index with every kind of file and two versions, the second with a deletion."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def random_contents(rows: int, seed: int = 0, first: int = 0) -> ShardContents:
    """A range of `rows` instances with everything that a shard may hold; the first of three is left out."""
    rng = np.random.default_rng(seed)
    kept = [row for row in range(rows) if row % 3]
    counts = rng.integers(0, 4, len(kept))
    neurons = np.concatenate([rng.choice(LAYERS * UNITS, count, replace=False) for count in counts] or [np.zeros(0)])
    return ShardContents(
        rows=kept,
        vectors={
            GRADIENTS: (rng.normal(size=(rows, 6)) * 10 ** rng.uniform(-2, 2, (rows, 1))).astype(np.float32),
            HIDDEN: rng.normal(size=(rows, 5)).astype(np.float32),
            TRACIN: rng.normal(size=(rows, 12)).astype(np.float32),
            ACTIVATIONS: rng.normal(size=(rows, 8)).astype(np.float32),
            ATTRIBUTIONS: rng.normal(size=(rows, 8)).astype(np.float32),
        },
        predictions=np.where(rng.random((len(kept), 3)) < 0.2, np.nan, rng.random((len(kept), 3))).astype(np.float32),
        instances=[described(first + row) for row in kept],
        neurons={
            "row": np.repeat(np.arange(len(kept), dtype=np.int32), counts),
            "neuron": neurons.astype(np.int32),
            "score": rng.random(len(neurons)).astype(np.float32),
            "rank": np.concatenate([np.arange(1, count + 1) for count in counts] or [np.zeros(0)]).astype(np.int32),
            "weight": rng.random(len(neurons)),
        },
        factors={"0.a": rng.normal(size=(6, 6)), "0.s": rng.normal(size=(3, 3)), "0.tokens": np.array([17.0])},
    )


def described(row: int) -> dict[str, Any]:
    """Values of an instance."""
    return {
        "id": f"t{row}",
        "content_hash": f"{row:08x}",
        "label": ["yes", "no", None][row % 3],
        "predicted": ["no", "yes"][row % 2],
        "loss": row / 7,
        "tokens": row,
        "truncated": row % 2 == 0,
        "genre": f"{WORDS[row % 5]} {WORDS[row % 3]}",
        "year": None if row % 4 == 0 else 1990 + row,
        "weight": row / 3,
        "checked": row % 2 == 1,
    }


@pytest.fixture
def shards(tmp_path: Path) -> Callable[..., list[Shard]]:
    """Write shards of random contents, open for reading."""

    def make(count: int = 3, rows: int = 12, precision: str = "float32") -> list[Shard]:
        entries = []
        for number in range(count):
            contents = random_contents(rows, number, number * rows)
            name = shard_name(number * rows, (number + 1) * rows)
            shard_dir(tmp_path, name).mkdir(parents=True)
            write_shard(shard_dir(tmp_path, name), contents, COLUMNS, lambda _dim: precision)
            entries.append(ShardEntry(name=name, rows=len(contents.rows), sha256=""))
        return open_shards(tmp_path, entries)

    return make
