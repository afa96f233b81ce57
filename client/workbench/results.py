"""Results of a study on disk: tables with intervals as JSON, every measured row as Parquet; whole or not there at all."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULT = "result.json"
PACKAGES = ("attridex", "numpy", "scipy", "torch", "transformers", "faiss-cpu", "duckdb")
Row = dict[str, Any]


@dataclass
class Results:
    """What a study found.

    Attributes:
        tables: figures with intervals, by table name: rows of what is measured, how, and mean, low, high, n.
        rows: what was measured, by file name, one row a query or draw; no texts of the corpus.
        methods: sign and scale of each method's scores, in words.
        notes: what a reader must know: what was left out and why, base rates, sizes.
        facts: single values, as counts.
    """

    tables: dict[str, list[Row]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    methods: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def write_results(directory: Path, results: Results, about: Mapping[str, Any]) -> None:
    """Write Parquet files, then result.json, which says that the study is done."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    directory.mkdir(parents=True, exist_ok=True)
    for name, rows in results.rows.items():
        temporary = directory / f".{name}.tmp"
        pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd")
        os.replace(temporary, directory / f"{name}.parquet")
    found = asdict(results)
    del found["rows"]
    write_json(directory / RESULT, {**about, **found})


def read_result(directory: Path) -> dict[str, Any] | None:
    """A study's result; None where it is not done."""
    path = directory / RESULT
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_json(path: Path, content: Any) -> None:
    """A JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1, ensure_ascii=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def versions() -> dict[str, str]:
    """Versions of what computes the results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
