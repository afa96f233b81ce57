"""A server on a URL: it follows what is published, answers from nothing that is damaged, and changes nothing itself."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from attridex.client.administration import AdminClient
from attridex.client.client import Client
from attridex.client.errors import ClientError
from attridex.indexer.remote.objects import Objects
from attridex.service.calls.places import hide, show, without_places
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server, open_index
from attridex.service.errors import DamagedIndexError, MachineError
from tests.indexer.remote.conftest import newest

WATCH = 0.1


def until(true: Callable[[], bool]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_on_a_url_follows_new_heads_and_changes_nothing_itself(
    published: str, attridex: Callable[..., Any], machine: Callable[[str], Path]
) -> None:
    cache = machine("server")
    options = ServerOptions("127.0.0.1:0", insecure_admin=True)
    index = open_index(Path(published), "mine", model=False, watch=WATCH)
    server = Server({"mine": index}, options)
    server.start()
    target = f"127.0.0.1:{server.port}"
    try:
        with closing(Client(target)) as client, closing(AdminClient(target)) as admin:
            assert (client.get_index().instances, client.get_index().watch_seconds) == (12, WATCH)
            machine("writer")
            assert attridex("delete", published, "--ids", "t1").code == 0
            assert attridex("compact", published).code == 0
            until(lambda: client.get_index().version.startswith("2"))
            assert client.get_index().instances == 11
            named = {entry["sha256"] for entry in newest(published)["files"].values()}
            until(lambda: {path.name for path in cache.glob("*/objects/*")} == named)
            with pytest.raises(ClientError, match="mine is a copy of an index in object storage"):
                admin.delete_instances(["t2"])
            until(lambda: not list(cache.glob("*/readers/*/index/versions/1")))
    finally:
        server.stop(0)
    assert not list(cache.glob("*/readers/*"))


def test_a_root_that_is_gone_is_told_and_logged_once(
    shared: str, tmp_path: Path, machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_index(Path(shared), "mine", model=False)) as index:
        (tmp_path / "shared").rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(MachineError, match="gone, and none is newer"):
                index.store.reload()
        assert (index.describe().instances, "gone" in index.describe().problem, len(caplog.records)) == (12, True, 1)
        (tmp_path / "away").rename(tmp_path / "shared")
        index.store.reload()
        assert index.describe().problem == ""


def test_a_damaged_head_leaves_the_one_before_and_is_told(published: str, attridex: Callable[..., Any], machine: Any) -> None:
    machine("server")
    index = open_index(Path(published), "mine", model=False)
    with closing(index):
        machine("writer")
        assert attridex("delete", published, "--ids", "t2").code == 0
        name = f"objects/{newest(published)['files']['deletes.log']['sha256']}"
        content = Objects(published).read(name)
        store = Objects(published)
        damages = {"damaged": lambda: store.write(name, b"flipped", 7), "missing": lambda: store.remove([name])}
        for how, damage in damages.items():
            damage()
            with pytest.raises(Exception, match=f"{published}/{name}: {how}") as refused:
                index.store.reload()
            assert (refused.value.code, index.describe().instances) == ("DATA_LOSS", 12)
            assert how in index.store.problem
            hide(index.places)
            assert without_places(index.store.problem) == index.store.problem.replace(published, "mine")
            show(index.places)
        store.write(name, content, len(content))
        index.store.reload()
        assert (index.store.problem, index.describe().instances) == ("", 11)


def test_of_heads_the_newest_whole_one_is_followed_so_that_what_it_deleted_is_gone(
    published: str, attridex: Callable[..., Any], machine: Any
) -> None:
    machine("server")
    with closing(open_index(Path(published), "mine", model=False)) as index:
        machine("writer")
        for deleted in ("t2", "t3", "t4", "t5"):
            assert attridex("delete", published, "--ids", deleted).code == 0
        objects = Objects(published)
        heads = [each.name for each in objects.listed("heads")]
        log = objects.read(f"objects/{newest(published)['files']['deletes.log']['sha256']}")
        whole = objects.read(heads[-2])
        objects.write(heads[-2], b"flipped", 7)
        objects.write(f"objects/{newest(published)['files']['deletes.log']['sha256']}", b"flipped", 7)
        for _ in range(2):
            with pytest.raises(DamagedIndexError, match="damaged"):
                index.store.reload()
            assert index.describe().instances == 10
            assert "damaged" in index.store.problem
        objects.write(heads[-2], whole, len(whole))
        with pytest.raises(DamagedIndexError, match="damaged"):
            index.store.reload()
        assert index.describe().instances == 9
        objects.write(f"objects/{newest(published)['files']['deletes.log']['sha256']}", log, len(log))
        index.store.reload()
        assert (index.store.problem, index.describe().instances) == ("", 8)
