"""What the demo prepares is made once, and is that of its seed."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from attridex.client.demo.prepare import prepare
from attridex.client.errors import ClientError
from attridex.indexer.building.plan import survey_corpus
from attridex.indexer.config import load_config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.models.renderers import make_renderer


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


def test_the_demo_s_own_configuration_is_warned_of_nothing(tmp_path: Path) -> None:
    prepare(tmp_path, 3, Console(file=StringIO()))
    (tmp_path / "model").symlink_to(tmp_path / "base")
    config = load_config(tmp_path / "config.toml")
    assert survey_corpus(config).remarks == ()
    _, instance = next(rendered(config.corpus, make_renderer(config), labels_needed=True))
    pair = json.loads((tmp_path / "train.jsonl").read_text().splitlines()[0])
    read = f"<s> Premise : {pair['premise']} / Hypothesis : {pair['hypothesis']} / Answer :"
    assert make_renderer(config).vocabulary.name(instance.sequences[0][0]) == "<s>"
    assert len(instance.sequences[0]) == len(read.split())
