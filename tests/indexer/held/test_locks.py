"""A version that anyone reads, in this process or another, is not unread; one that is being removed cannot be held."""

import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from attridex.indexer.errors import DamageError
from attridex.indexer.held.locks import hold, unread

READER = """
import sys
from pathlib import Path
from attridex.indexer.held.locks import hold
held = hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def free(directory: Path) -> bool:
    with unread(directory) as found:
        return found


def test_a_version_is_unread_once_its_last_reader_has_left(tmp_path: Path) -> None:
    assert free(tmp_path)
    with closing(hold(tmp_path)):
        with closing(hold(tmp_path)):
            assert not free(tmp_path)
        assert not free(tmp_path)
    assert free(tmp_path)


def test_a_reader_of_another_process_counts_until_it_ends_in_any_way(tmp_path: Path) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "held\n"
    assert not free(tmp_path)
    reader.kill()
    reader.communicate()
    assert free(tmp_path)


@pytest.mark.parametrize("how", ["removed", "a file"])
def test_what_is_no_version_any_more_cannot_be_held(tmp_path: Path, how: str) -> None:
    place = tmp_path / "1"
    if how == "a file":
        place.touch()
    with pytest.raises(DamageError, match=f"{place}: missing"):
        hold(place)
    if how == "removed":
        assert free(place)


def test_a_version_can_be_removed_inside_the_block(tmp_path: Path) -> None:
    place = tmp_path / "1"
    place.mkdir()
    with unread(place) as found:
        assert found
        shutil.rmtree(place)
    with pytest.raises(DamageError, match="missing"):
        hold(place)
