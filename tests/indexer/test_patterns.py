"""A pattern stands for the files that fit it, in the order of their names; a name for itself."""

from pathlib import Path

import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.patterns import matching_files


def test_patterns_are_seen_from_the_configuration_and_sorted(tmp_path: Path) -> None:
    for name in ("data/b.jsonl", "data/a.jsonl", "data/deep/c.jsonl", "odd[1].jsonl", "data/x.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(name: str) -> list[str]:
        return [str(path.relative_to(tmp_path.resolve())) for path in matching_files(tmp_path, name, "corpus.files")]

    assert found("data/*.jsonl") == ["data/a.jsonl", "data/b.jsonl"]
    assert found(f"{tmp_path}/data/?.jsonl") == ["data/a.jsonl", "data/b.jsonl"]
    assert found("**/*.jsonl") == ["data/a.jsonl", "data/b.jsonl", "data/deep/c.jsonl", "odd[1].jsonl"]
    assert found("data/*") == ["data/a.jsonl", "data/b.jsonl", "data/x.csv"]
    assert found("odd[1].jsonl") == ["odd[1].jsonl"]
    assert found("none.jsonl") == ["none.jsonl"]
    with pytest.raises(InputError, match=r"corpus\.files: no file fits 'data/\*\.tsv'"):
        found("data/*.tsv")
