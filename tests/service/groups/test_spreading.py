"""What cannot be served from groups is refused before a cluster is begun."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.spreading import check_alone
from attridex.service.groups.dividing import Dividing


def shards_of(index: Path) -> int:
    """How many it has."""
    return len(read_manifest(index, read_current(index)).shards)


def test_groups_are_as_many_as_there_are_shards_at_most(index: Path) -> None:
    most = shards_of(index)
    check_alone(ServerOptions(dividing=Dividing(most)), {"mine": index})
    with pytest.raises(
        InputError, match=rf"^--groups {most + 1}: mine has {most} shards, one goes to one group; ask for {most} at "
    ):
        check_alone(ServerOptions(dividing=Dividing(most + 1)), {"mine": index})


@pytest.mark.parametrize(
    ("place", "options", "words"),
    [
        ("nowhere", {}, "nowhere"),
        ("s3://bucket/mine", {}, "fetched to this machine alone"),
        ("nowhere", {"memory": "1GiB"}, "--memory"),
        ("nowhere", {"search_device": "auto"}, "--search-device auto"),
    ],
)
def test_what_is_of_one_process_is_refused(place: str, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = Path(place) if ":" in place else tmp_path / place
    alone = ServerOptions(**options)
    check_alone(alone, {"mine": path})  # without groups, whatever it is
    with pytest.raises(InputError, match=words):
        check_alone(replace(alone, dividing=Dividing(2)), {"mine": path})
