"""JSON lines of recipes: read, written, drawn."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Record = Mapping[str, Any]


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: Sequence[Record]) -> None:
    """Write records, one a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def drawn(rows: Sequence[Record], count: int, seed: int = 0) -> list[Record]:
    """Some records, the same for the same seed."""
    return [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))[:count]]
