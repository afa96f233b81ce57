"""What the demo prepares is made once, and is that of its seed."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from attridex.client.demo.prepare import prepare
from attridex.client.errors import ClientError
from attridex.indexer.config import load_config


def test_files_are_those_of_the_seed_and_another_seed_is_refused(tmp_path: Path) -> None:
    console = Console(file=StringIO())
    pairs = prepare(tmp_path, 3, console)
    assert [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()] == pairs.train
    assert [json.loads(line) for line in (tmp_path / "challenge.jsonl").read_text().splitlines()] == pairs.challenge
    weights = (tmp_path / "base" / "model.safetensors").read_bytes()
    assert load_config(tmp_path / "config.toml").corpus.labels == ["entailment", "non-entailment"]
    assert prepare(tmp_path, 3, console) == pairs
    assert (tmp_path / "base" / "model.safetensors").read_bytes() == weights
    with pytest.raises(ClientError, match="another seed"):
        prepare(tmp_path, 4, console)
