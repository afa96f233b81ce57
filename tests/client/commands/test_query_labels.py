"""A query's label means what the same label meant in the corpus, whatever kind of file either stands in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from tests.conftest import Ran, records, write_jsonl

NAMES = ["1", "2", "0"]
"""Of the classes: each a number, and none its own."""


def rows(*, encoded: bool) -> list[dict[str, Any]]:
    """Instances, as texts or as a Trainer's own rows."""
    texts = [{name: row[name] for name in ("id", "premise", "hypothesis", "label")} for row in records(6)]
    codes = [{"id": row["id"], "input_ids": [2, 5 + at, 7, 9], "label": row["label"]} for at, row in enumerate(texts)]
    return codes if encoded else texts


FORMS: dict[str, dict[str, Any]] = {
    "text": {"segments": [], "text": "{premise} {hypothesis}"},
    "a text that shows the label": {"segments": [], "text": "{premise} {label}"},
    "encoded": {"segments": [], "encoded": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_corpus_asked_about_as_queries_gives_what_is_stored(
    form: str, project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    data = datasets.Dataset.from_list(rows(encoded=form == "encoded")).cast_column("label", datasets.ClassLabel(names=NAMES))
    data.to_parquet(str(tmp_path / "train.parquet"))
    config = project(corpus={"files": ["train.parquet"], "metadata": [], **FORMS[form]}, neurons={"enabled": False})
    built = attridex("build", config, "--out", tmp_path / "i")
    assert built.code == 0, built.err
    assert ("ClassLabel, by its names" in built.err) == ("shows" in form)
    query = ("query", "ia", "--index", tmp_path / "i", "--json", "--k", 6)
    asked = attridex(*query, "--queries", tmp_path / "train.parquet").lines
    stored = attridex(*query, *(f"--instance=t{at}" for at in range(6))).lines
    for one, other in zip(asked, stored, strict=True):
        assert [hit["id"] for hit in one["hits"]] == [hit["id"] for hit in other["hits"]]
        assert [hit["score"] for hit in one["hits"]] == pytest.approx([hit["score"] for hit in other["hits"]], rel=1e-3)
    shown = attridex("show", tmp_path / "i", "--json", "--limit", 6).lines
    queried = attridex("show", tmp_path / "i", "--json", "--queries", tmp_path / "train.parquet", "--limit", 6).lines
    assert [each["label"] for each in queried] == [each["label"] for each in shown]


def test_a_number_that_is_another_output_s_name_is_told(
    project: Callable[..., Path], attridex: Callable[..., Ran], tmp_path: Path
) -> None:
    data = datasets.Dataset.from_list(rows(encoded=False)).cast_column("label", datasets.ClassLabel(names=NAMES))
    data.to_parquet(str(tmp_path / "train.parquet"))
    config = project(corpus={"files": ["train.parquet"], "metadata": [], **FORMS["text"]}, neurons={"enabled": False})
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    query = ("query", "ia", "--index", tmp_path / "i", "--json", "--queries")
    silent = attridex(*query, tmp_path / "train.parquet")
    assert "is read as" not in silent.err
    told = attridex(*query, write_jsonl(tmp_path / "q.jsonl", rows(encoded=False)))
    assert told.err.count("is read as the output called") == 1, told.err
