"""The public Python API: what the documentation shows, and names that agree with where they live."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attridex.indexer


def test_an_index_is_built_from_python(model_dir: Callable[..., Path], tmp_path: Path) -> None:
    from attridex.client import Client, Query
    from attridex.indexer import Config, build
    from tests.conftest import SEGMENTS, records, write_jsonl

    write_jsonl(tmp_path / "train.jsonl", records(6))
    config = Config.model_validate(
        {
            "model": {"path": str(model_dir("opt"))},
            "corpus": {"files": [str(tmp_path / "train.jsonl")], "segments": SEGMENTS},
        }
    )
    built = build(config, tmp_path / "index", show_progress=False)
    assert (built.manifest.instances, built.signed) == (6, 6)
    with Client.local(tmp_path / "index") as client:
        (answer,) = client.attribute_instances([Query.instance("t3")], method="grad-cos", k=1).results
    assert answer.hits[0].id == "t3"


def test_public_names_are_those_of_the_type_checker_and_load_nothing_unasked() -> None:
    stub = ast.parse(Path(attridex.indexer.__file__).with_suffix(".pyi").read_text())
    shown = {alias.name: node.module for node in ast.walk(stub) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert dir(attridex.indexer) == sorted(shown)
    for name, home in shown.items():
        found = getattr(attridex.indexer, name)
        assert (found.__module__, found.__name__) == (home, name)
    code = "import sys, json, attridex.indexer.errors; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert not {"torch", "transformers", "faiss", "duckdb", "pydantic"} & set(loaded)
