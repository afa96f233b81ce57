"""The client of administrators, and the commands with --server, over a socket: they do what they do to a directory."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client
from attridex.client.administration import AdminClient, AsyncAdminClient
from attridex.client.errors import DataLossError, InvalidArgumentError, NotFoundError, PermissionDeniedError, UsageError
from attridex.indexer.index.directory import list_versions, read_deletes, read_manifest
from attridex.indexer.index.layout import CATALOG, version_dir
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server, open_index
from attridex.v1.administration import Compacted, Deleted, Pruned, Repaired, Undeleted
from attridex.v1.limits import Limits

TOKEN, OTHER = "alices-token-of-some-length", "bobs-token-of-enough-length"


@pytest.fixture
def start(index: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serve the index to whoever has a token; gives the address."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"admin alice {TOKEN}\nquery bob {OTHER}\n")
    tokens.chmod(0o600)
    servers: list[Server] = []

    def run(**options: Any) -> str:
        opened = {"mine": open_index(index, "mine", model=False)}
        servers.append(Server(opened, ServerOptions("127.0.0.1:0", tokens=tokens, **options)))
        servers[-1].start()
        return f"127.0.0.1:{servers[-1].port}"

    yield run
    for server in servers:
        server.stop(0)


def test_an_administrator_deletes_undoes_removes_and_mends_and_the_log_says_who(start: Any, index: Path) -> None:
    address = start()
    with AdminClient(address, token=TOKEN) as admin, Client(address, token=OTHER) as client:
        assert admin.delete_instances(["t3", "t4"]) == Deleted("1+1", 2)
        assert admin.delete_instances(where="genre = 'phone'") == Deleted("1+2", 14)
        assert admin.undelete_instances(["t4"]) == Undeleted("1+3", 1)
        assert client.get_index().instances == client.list_page().total == 15
        log = read_deletes(index)
        assert log is not None
        assert [entry.by for entry in log.entries[1:]] == ["alice"] * 3
        assert admin.compact() == Compacted("2+3", 15, ())
        listed = [(each.version, each.current, each.instances, each.deleted, each.read) for each in admin.list_versions()]
        assert listed == [("2", True, 15, 0, True)]
        assert (admin.activate("2"), admin.reload(), admin.prune()) == ("2+3", "2+3", Pruned((), ()))
        whole = admin.verify()
        assert (whole.files > 10, whole.problems) == (True, ())
        (version_dir(index, "2") / CATALOG).write_bytes(b"other bytes")
        assert [problem.partition(":")[0] for problem in admin.verify().problems] == [f"mine/versions/2/{CATALOG}"]
        repaired = admin.repair()
        assert (repaired.index_version, bool(repaired.mended)) == ("3+3", True)
        assert (admin.repair(), admin.verify()) == (Repaired("3+3", ()), whole)


def test_what_is_wrong_has_its_class_and_names_no_place_of_the_server(start: Any, index: Path) -> None:
    address = start(limits=Limits(ids=3))
    with AdminClient(address, token=TOKEN) as admin:
        wrong: list[tuple[type[Exception], str, Callable[[], Any]]] = [
            (InvalidArgumentError, "no instance 'none' in version 1", lambda: admin.delete_instances(["none"])),
            (InvalidArgumentError, "4 ids; at most 3", lambda: admin.delete_instances(["t1", "t2", "t3", "t4"])),
            (InvalidArgumentError, "unknown column 'x'", lambda: admin.delete_instances(where="x = 1")),
            (InvalidArgumentError, "not deleted", lambda: admin.undelete_instances(["t4"])),
            (NotFoundError, "no version '9'", lambda: admin.activate("9")),
            (UsageError, "Activate: version = 9: not what it takes", lambda: admin.activate(9)),  # type: ignore[arg-type]
            (UsageError, "ids = \\(3,\\): not what it takes", lambda: admin.delete_instances([3])),  # type: ignore[list-item]
            (InvalidArgumentError, "format 3 already", admin.migrate),
        ]
        for kind, words, call in wrong:
            with pytest.raises(kind, match=words) as raised:
                call()
            assert str(index) not in str(raised.value)
        for path in (index / "shards").rglob("instances.parquet"):
            path.write_bytes(b"other bytes")
        corpus = Path(read_manifest(index, "1").config.corpus.files[0])
        elsewhere = corpus.rename(corpus.with_suffix(".elsewhere"))
        try:
            with pytest.raises(DataLossError, match="cannot be signed again") as lost:
                admin.repair()
        finally:
            elsewhere.rename(corpus)
        assert str(index) not in str(lost.value)
        assert str(corpus.parent) not in str(lost.value)
    with AdminClient(address, token=OTHER) as nobody, pytest.raises(PermissionDeniedError):
        nobody.compact()


def test_with_asyncio_it_is_the_same(start: Any) -> None:
    async def change() -> tuple[Any, ...]:
        async with AsyncAdminClient(start(), token=TOKEN) as admin:
            deleted = await admin.delete_instances(["t3"])
            return deleted, await admin.activate("1"), [each.version for each in await admin.list_versions()]

    assert asyncio.run(change()) == (Deleted("1+1", 1), "1+1", ["1"])


def test_commands_ask_a_server_as_they_change_a_directory(
    start: Any, index: Path, attridex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTRIDEX_TOKEN", TOKEN)
    server = ("--server", start())
    for command, lines in (
        (("delete", "--ids", "t3"), [{"server": server[1], "index_version": "1+1", "deleted": 1}]),
        (("delete", "--where", "genre = 'phone'"), [{"server": server[1], "index_version": "1+2", "deleted": 15}]),
        (("undelete", "--ids", "t3"), [{"server": server[1], "index_version": "1+3", "undeleted": 1}]),
        (("compact",), [{"server": server[1], "index_version": "2+3", "removed": 15, "held": []}]),
        (("prune",), [{"server": server[1], "removed": [], "held": []}]),
        (("repair",), [{"server": server[1], "index_version": "2+3", "mended": []}]),
    ):
        ran = attridex(*command, *server, "--json")
        assert (ran.code, ran.lines) == (0, lines), ran.err
    assert attridex("activate", "2", *server).err == f"{server[1]}: version 2+3 is served\n"
    assert attridex("versions", *server).out.startswith("* 2  15 instances  20")
    (version,) = attridex("versions", *server, "--json").lines
    assert (version["version"], version["current"], version["instances"]) == ("2", True, 15)
    assert attridex("verify", *server).code == 0
    assert attridex("compact", *server).err == f"{server[1]}: 0 instances removed from the disk; version 2+3 is served\n"
    (version_dir(index, list_versions(index)[-1]) / CATALOG).write_bytes(b"other bytes")
    assert attridex("verify", *server).code == 1
    for wrong in (("compact",), ("compact", index, *server), ("repair", *server, "--config", "x"), ("migrate", *server)):
        ran = attridex(*wrong)
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err


def test_a_verification_that_nobody_waits_for_ends(index: Path) -> None:
    from attridex.service.answering.lifecycle import verify
    from attridex.service.errors import CancelledError
    from attridex.service.storage.store import Store

    store, looked = Store(index), list[int]()

    def gone() -> None:
        looked.append(1)
        if len(looked) == 3:
            raise CancelledError("gone")

    with pytest.raises(CancelledError):
        verify(store, gone)
    store.close()
    assert len(looked) == 3
