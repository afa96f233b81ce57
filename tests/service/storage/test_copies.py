"""Files that no question needs: an index opens and answers while one of them is damaged, and `repair` mends it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.indexer.index.directory import read_deletes
from attridex.indexer.index.layout import CURRENT_COPY, MANIFEST_COPY, PLAN
from attridex.indexer.index.verify import UNREAD, verify
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.migration import migrate
from attridex.indexer.renewal.repair import repair
from attridex.service.storage.store import Store
from tests.indexer.renewal.conftest import DAMAGE


@pytest.mark.parametrize("how", DAMAGE.values())
@pytest.mark.parametrize("name", [CURRENT_COPY, f"versions/3/{MANIFEST_COPY}", PLAN])
def test_an_index_opens_while_one_of_two_copies_or_its_plan_is_damaged(old: Path, name: str, how: Callable[[Path], None]) -> None:
    migrate(old)
    delete_ids(old, ["t3"])
    how(old / name)
    store = Store(old)
    with store.version() as version:
        assert (version.manifest.version, bool(version.alive[3])) == ("3+2", False)
    store.close()
    told = [str(found.problem) for found in verify(old) if found.problem]
    assert [line for line in told if str(old / name) in line and "run `attridex repair`" in line and UNREAD in line] == told
    delete_ids(old, ["t4"])  # a delete is kept, whatever is damaged
    assert repair(old) or name == CURRENT_COPY, "which a delete writes again"
    assert [found for found in verify(old) if found.problem] == []
    log = read_deletes(old)
    assert log
    assert {"t3", "t4"} <= log.deletions.keys()
