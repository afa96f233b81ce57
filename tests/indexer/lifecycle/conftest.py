"""A small index, of format 2 as commit 5f8e7b1 wrote it, and migrated."""

import shutil
from pathlib import Path

import pytest

from attridex.indexer.lifecycle.migration import migrate

OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of an index of format 2 with two versions; the second one has deleted a row."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


@pytest.fixture
def index(old: Path) -> Path:
    """The same, of format 3: version 3 is current, and the log has one entry."""
    migrate(old)
    return old
