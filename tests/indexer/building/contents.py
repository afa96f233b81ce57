"""What an index holds, to be compared with another."""

from pathlib import Path
from typing import Any

import duckdb


def content(index: Path) -> dict[str, Any]:
    """Everything an index says: bytes of arrays and shards, rows of the catalog."""
    found: dict[str, Any] = {
        str(path.relative_to(index)): path.read_bytes()
        for path in sorted(index.rglob("*"))
        if (path.is_file() and path.suffix in (".faiss", ".npy", ".parquet", ".safetensors")) or path.name == "plan.json"
    }
    with duckdb.connect(str(index / "versions/1/catalog.duckdb"), read_only=True) as con:
        for table in ("instances", "neurons", "predictions"):
            found[table] = con.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
    return found
