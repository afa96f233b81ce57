"""A random walk through commands, kills and damage, beside an oracle; `make soak` takes many more steps."""

from pathlib import Path

import pyarrow as pa

from attridex.indexer.renewal.merging import joined
from tests.soak.walk import Walk, walked


def test_whatever_is_done_in_whichever_order_the_index_holds_what_an_oracle_in_plain_python_says() -> None:
    done, fault = walked(0, 6, every=6)
    assert fault is None, fault
    assert done["answers compared"] == 1


def test_a_row_of_a_merged_shard_is_as_new_as_the_newest_of_them_and_is_deleted_as_before(tmp_path: Path) -> None:
    walk = Walk(tmp_path, 2)
    for command in (walk.delete, walk.append, walk.compact, walk.delete, walk.undelete):
        step = command()
        assert step.after
        step.work()
        walk.adopt([step.after], step.name.split()[0])
        walk.look()


def test_shards_whose_columns_stand_in_another_order_are_merged() -> None:
    found = joined([pa.table({"premise": ["a"], "genre": ["b"]}), pa.table({"genre": ["d"], "premise": ["c"]})])
    assert found.to_pydict() == {"premise": ["a", "c"], "genre": ["b", "d"]}
