import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from attridex.client.errors import UsageError
from attridex.client.workbench.results import (
    NEEDED,
    RESULT,
    Findings,
    Meaning,
    StudiedIndex,
    StudyResult,
    read_object,
    read_result,
    versions,
    write_findings,
)
from tests.client.workbench.made import TOLD

INDEX = StudiedIndex("1", 5, "causal-lm", [], "tiny", "ab", "cd", 2, 8, "post", ["text"], {"dim": 2}, {"enabled": True})
RESULT_OF_TOY = StudyResult(
    study="toy", title="A toy", config={"k": 3}, seed=0, limit=None, common={"queries": 2}, queries="ef", index=INDEX,
    versions=versions(), times={"seconds": 0.5}, tables={"t": [{"method": "toy", "mean": 0.5}]},
    methods={"toy": Meaning("higher = more", "a share")}, notes=["a note"], facts={"queries": 2}, method_details=TOLD,
)  # fmt: skip


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_findings(tmp_path / "toy", Findings(rows={"rows": [{"query": "q", "x": 1}]}), RESULT_OF_TOY)
    assert read_result(tmp_path / "toy") == replace(RESULT_OF_TOY, directory=tmp_path / "toy")
    assert pq.read_table(tmp_path / "toy" / "rows.parquet").to_pylist() == [{"query": "q", "x": 1}]
    assert {path.name for path in (tmp_path / "toy").iterdir()} == {RESULT, "rows.parquet"}
    keys = list(json.loads((tmp_path / "toy" / RESULT).read_text()))
    assert keys[:3] == ["study", "title", "config"]
    assert keys[-1] == "method_details"


def test_a_result_from_before_methods_were_described_is_read(tmp_path: Path) -> None:
    content = {key: value for key, value in RESULT_OF_TOY.content().items() if key in NEEDED}
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / RESULT).write_text(json.dumps(content))
    found = read_result(tmp_path / "toy")
    assert found is not None
    assert (found.study, found.method_details, found.methods) == ("toy", (), {})
    assert found.is_baseline("random")
    assert not found.is_baseline("toy")


def test_what_a_result_says_of_its_methods_is_what_they_are() -> None:
    assert RESULT_OF_TOY.is_baseline("ia-neurons/guess")
    assert not RESULT_OF_TOY.is_baseline("toy/fisher")


def test_a_study_that_is_not_done_has_no_result_and_a_broken_one_is_named(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / RESULT).write_text("{}")
    with pytest.raises(UsageError, match="not a result of a study: it lacks common, config"):
        read_result(tmp_path)
    (tmp_path / RESULT).write_text("[")
    with pytest.raises(UsageError, match="cannot be read"):
        read_object(tmp_path / RESULT)
