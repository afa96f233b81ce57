"""What an index keeps of a training is read back as it was written."""

import tomllib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attridex.indexer.errors import InputError
from attridex.indexer.trainers.source import BATCH, toml, write_rows

WORD = st.text(max_size=8)
PLAIN = st.one_of(WORD, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
VALUE = st.one_of(PLAIN, st.lists(PLAIN, max_size=3), st.dictionaries(WORD, PLAIN, max_size=3))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["model", "corpus"]), st.dictionaries(st.sampled_from(["a", "b"]), VALUE)))
def test_a_configuration_is_read_back_as_it_was_written(data: dict[str, dict[str, Any]]) -> None:
    assert tomllib.loads(toml(data)) == data


def test_a_setting_that_is_none_is_left_out() -> None:
    assert tomllib.loads(toml({"model": {"path": "x", "adapter": None}})) == {"model": {"path": "x"}}


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 1])
def test_rows_are_read_back_in_their_order(count: int, tmp_path: Path) -> None:
    rows = [{"id": str(number), "input_ids": [1, number], "labels": number % 3, "day": None} for number in range(count)]
    assert write_rows(tmp_path / "r.parquet", iter(rows)) == count
    assert pq.read_table(tmp_path / "r.parquet").to_pylist() == rows


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no row with a loss"),
        ([{"id": "0", "labels": 1}, {"id": "1"}], "row 1: the collator gives 'labels' for some rows only"),
        ([{"id": "0", "labels": 1}, {"id": "1", "labels": [1]}], "rows from 0: a column is not of one kind"),
    ],
    ids=["none", "columns", "kinds"],
)
def test_rows_that_are_no_table_are_refused(rows: list[dict[str, Any]], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        write_rows(tmp_path / "r.parquet", iter(rows))
