"""An index with two versions, copied for each test."""

import shutil
from pathlib import Path

import pytest

OLD = Path(__file__).parents[2] / "fixtures" / "index_5f8e7b1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A small index whose second version has a deletion."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))
