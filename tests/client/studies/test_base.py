from pathlib import Path

from attridex.client.studies.base import FACTS, KeyNumber, highest, leaders, measured_rows
from tests.client.report.made import made_result

ROWS = [{"method": name, "mean": mean, "low": 0.1, "high": 0.9} for name, mean in (("na", 0.5), ("grad-dot", 0.5), ("bm25", 0.2))]


def test_all_that_share_the_highest_mean_are_named() -> None:
    assert leaders(ROWS) == "NA, grad-dot"
    assert highest(ROWS[1:])["method"] == "grad-dot"


def test_a_key_number_is_a_mean_apart_from_its_interval() -> None:
    assert KeyNumber.of(ROWS[0], "of it") == ("0.5", "(0.1 to 0.9)", "of it")


def test_rows_without_a_mean_are_left_out(tmp_path: Path) -> None:
    result = made_result(tmp_path, "lds", tables={"lds": [{"method": "na", "mean": None}, *ROWS]})
    assert measured_rows(result, "lds") == ROWS
    assert measured_rows(result, "other") == []


def test_facts_have_words() -> None:
    assert FACTS["queries"](1) == "1 query"
    assert FACTS["pool"](2) == "pool of 2 instances"
