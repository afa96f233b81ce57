"""A build of a corpus that has changed says by which rows, and what makes the index follow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.building.build import build
from attridex.indexer.building.dry_run import dry_run
from attridex.indexer.config import load_config
from attridex.indexer.errors import InputError
from attridex.indexer.lifecycle.deleting import delete_ids
from tests.conftest import records, write_jsonl


def rows(count: int, **changed: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, **changed.get(row["id"], {})} for row in records(count)]


def test_a_changed_corpus_is_told_by_its_rows_and_no_hash(project: Callable[..., Path], tmp_path: Path) -> None:
    config, index, corpus = load_config(project(count=12)), tmp_path / "index", tmp_path / "train.jsonl"
    build(config, index, show_progress=False)
    changed = rows(17, t3={"premise": "a doctor"}, t4={"label": 0}, t5={"genre": "letters"})
    write_jsonl(corpus, [row for row in changed if row["id"] not in ("t7", "t8")])
    said = (
        r"5 rows added, 3 changed, 2 gone \(the first: 't12', 't3', 't7'\): "
        r"`attridex append`, `attridex update`, `attridex delete` do it"
    )
    for work in (lambda: build(config, index, show_progress=False), lambda: dry_run(config, index, show_progress=False)):
        with pytest.raises(InputError, match=said):
            work()
    delete_ids(index, ["t7"])
    write_jsonl(corpus, [row for row in rows(12) if row["id"] not in ("t7", "t8")])
    with pytest.raises(InputError, match=r"0 rows added, 0 changed, 1 gone \(the first: 't8'\): `attridex delete` do it"):
        build(config, index, show_progress=False)
    delete_ids(index, ["t8"])
    assert build(config, index, show_progress=False).signed == 0, "the index has followed"
    write_jsonl(corpus, rows(12))
    assert build(config, index, show_progress=False).signed == 0, "the corpus of the build, of which two rows are deleted"


def test_where_ids_are_positions_rows_are_told_by_what_they_hold(project: Callable[..., Path], tmp_path: Path) -> None:
    config = load_config(project(count=12, corpus={"id": "", "metadata": []}))
    build(config, tmp_path / "index", show_progress=False)
    write_jsonl(tmp_path / "train.jsonl", [row for row in rows(14) if row["id"] != "t0"])
    with pytest.raises(InputError, match=r"2 rows added, 0 changed, 1 gone \(the first: '11', '0'\)"):
        build(config, tmp_path / "index", show_progress=False)
