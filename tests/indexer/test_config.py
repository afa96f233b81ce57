"""A setting that nobody reads for a form, a task or a source is refused, and never ignored."""

from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.config import IDLE, Config, parse_config
from attridex.indexer.errors import InputError

TABLE = {"corpus": {"files": ["a.csv.gz"]}}
DATASET = {"corpus": {"files": [], "dataset": "some/data"}}
WORDS = {"model": {"task": "token-classification"}, "corpus": {"text": "{words}"}}
CHOICES = {"model": {"task": "multiple-choice"}, "corpus": {"text": "{choice}"}}
TALK = {"model": {"task": "causal-lm"}}
ROWS = {"corpus": {"text": None, "encoded": True}}
GIVEN: dict[str, tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]] = {
    "model.revision": ("main", [{}], [{"model": {"path": "some/model"}}]),
    "corpus.split": ("test", [{}, TABLE], [DATASET]),
    "corpus.config": ("en", [{}], [DATASET]),
    "corpus.delimiter": (";", [{}, DATASET], [TABLE]),
    "corpus.quoting": ("none", [{}, DATASET], [TABLE]),
    "corpus.label": ("gold", [TALK], [{}, WORDS, {**TALK, **ROWS}]),
    "corpus.labels": (["a", "b"], [TALK, CHOICES], [{}, WORDS]),
    "corpus.choices": ("options", [{}, {**CHOICES, **ROWS}], [CHOICES]),
    "corpus.word_pieces": ("all", [{}, {**WORDS, **ROWS}], [WORDS]),
    "gradients.dim": (64, [{}, {**WORDS, "gradients": {"parameters": "linear", "projection": "none"}}], [TALK]),
    "gradients.seed": (1, [{}], [TALK, {"gradients": {"parameters": "linear"}}]),
}
"""A value of each, configurations in which nobody reads it, and others in which it is read."""


def with_setting(name: str, value: Any, more: dict[str, Any], place: Path) -> dict[str, Any]:
    section, key = name.split(".")
    base: dict[str, Any] = {"model": {"path": str(place)}, "corpus": {"files": ["a.jsonl"], "text": "{text}"}}
    merged = {part: {**base.get(part, {}), **more.get(part, {})} for part in {*base, *more, section}}
    return {**merged, section: {**merged[section], key: value}}


@pytest.mark.parametrize("name", [idle.name for idle in IDLE])
def test_a_setting_is_read_or_refused_and_an_index_that_was_built_with_it_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "a.csv.gz").touch()
    value, refused, read = GIVEN[name]
    for more in refused:
        data = with_setting(name, value, more, tmp_path)
        with pytest.raises(InputError, match=rf"^f\.toml: {name} says nothing here, [^\n]*; leave it out$"):
            parse_config(data, "f.toml", tmp_path)
        assert Config.model_validate(data), "as a manifest has it"
    for more in read:
        assert parse_config(with_setting(name, value, more, tmp_path), "f.toml", tmp_path)
