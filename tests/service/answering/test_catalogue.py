"""Instances by id: in the order asked, the unknown named, and no further than somebody waits for them."""

from pathlib import Path
from typing import Any

import pytest

from attridex.service.answering.catalogue import AT_ONCE, get_instances, rows_of
from attridex.service.caller import Caller
from attridex.service.edge.server import open_index
from attridex.service.errors import CancelledError, UnknownInstanceError
from attridex.v1.requests import GetInstancesRequest


def test_look_ups_are_of_many_ids_at_once_and_stop_between_them(index: Path) -> None:
    served = open_index(index, "index", model=False)
    seen: list[int] = []

    def check() -> None:
        seen.append(1)
        if len(seen) == 3:
            raise CancelledError("gone")

    ids = [f"t{number % 30}" for number in range(10 * AT_ONCE)]
    with served.store.version() as version:
        call: Any = served._call(version, Caller(check))
        with pytest.raises(CancelledError):
            get_instances(call, GetInstancesRequest(tuple(ids), ("id",)))
        assert len(seen) == 3
        whole = get_instances(served._call(version), GetInstancesRequest(tuple(ids), ("label",)))
        assert [found.id for found in whole.instances] == ids
        assert rows_of(version, ["t3", "t1", "t3"]) == [version.row_of("t3"), version.row_of("t1"), version.row_of("t3")]
        with pytest.raises(UnknownInstanceError, match="no instance 'nobody'"):
            rows_of(version, ["t1", "nobody", "neither"])
    served.close()
