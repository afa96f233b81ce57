"""An index that is built anew at the same place is never confused with the one that is open."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client
from attridex.client.errors import AbortedError, DataLossError
from attridex.indexer.errors import AttridexError
from attridex.indexer.index.directory import read_manifest
from attridex.service.errors import VersionGoneError
from attridex.service.storage.store import Store
from tests.conftest import records, write_jsonl
from tests.service.storage.made import resealed

ASKED: dict[str, Callable[[Client], Any]] = {
    "listed": lambda client: [(each.id, each.fields["genre"]) for each in client.list_instances()],
    "by gradients": lambda client: hits(client.attribute_instances(QUERIES, k=4, fields=["genre"])),
    "by states": lambda client: hits(client.attribute_instances(QUERIES, k=4, method="rep-sim")),
    "by words": lambda client: hits(client.attribute_instances(QUERIES, k=4, method="bm25")),
    "by curvature": lambda client: hits(client.attribute_instances(QUERIES, k=4, method="influence", curvature="fisher")),
    "by neurons": lambda client: hits(client.find_instances_by_neurons(QUERIES, k=4)),
    "where": lambda client: hits(client.attribute_instances(QUERIES, k=30, where="genre = 'phone'")),
    "described": lambda client: client.get_index(),
}
QUERIES = records(2)


def hits(answer: Any) -> list[Any]:
    return [(hit.id, hit.score, hit.fields) for result in answer.results for hit in result.hits]


@pytest.fixture
def rebuilt(index: Path, attridex: Any, tmp_path: Path) -> Callable[..., None]:
    """Builds the index anew, of the same records backwards under other ids."""

    def rebuild() -> None:
        rows = [{**row, "id": f"new-{row['id']}", "genre": "phone"} for row in reversed(records(30))]
        write_jsonl(tmp_path / "train.jsonl", rows)
        shutil.rmtree(index)
        ran = attridex("build", tmp_path / "config.toml", "--out", index)
        assert ran.code == 0, ran.err

    return rebuild


@pytest.fixture
def before(index: Path) -> Iterator[Client]:
    with Client.local(index) as client:
        yield client


@pytest.mark.parametrize("read", [True, False], ids=["read before", "first read after"])
def test_an_open_index_answers_as_before_or_not_at_all(
    index: Path, before: Client, rebuilt: Callable[..., None], read: bool
) -> None:
    with Client.local(index) as other:
        expected = {name: ask(other) for name, ask in ASKED.items()}
    if read:
        assert {name: ask(before) for name, ask in ASKED.items()} == expected
    rebuilt()
    for name, ask in ASKED.items():
        with suppress(AbortedError, DataLossError):
            found = ask(before)
            assert replace(found, problem="") == expected[name] if name == "described" else found == expected[name]
    with Client.local(index) as fresh:
        for name, ask in ASKED.items():
            found = ask(fresh)
            assert found != expected[name]
            assert "new-t" in json.dumps(found) if isinstance(found, list) else found


def test_a_reload_serves_what_is_there_now(own_server: Any, index: Path, rebuilt: Callable[..., None]) -> None:
    with Client(f"127.0.0.1:{own_server.port}") as remote:
        asked = {name: ask(remote) for name, ask in ASKED.items()}
        rebuilt()
        store = own_server._indexes["index"].store
        with suppress(AttridexError):
            store.reload()  # tells what is wrong with the files that were served
        assert store.reload() == "1"
        with Client.local(index) as fresh:
            for name, ask in ASKED.items():
                assert ask(remote) != asked[name]
                if name != "described":
                    assert ask(remote) == ask(fresh)


def test_a_version_with_other_curvatures_is_served_without_a_new_start(old: Path) -> None:
    store = Store(old)
    kinds = read_manifest(old, "2").config.gradients.curvature[:1]
    resealed(old, lambda data: data["config"]["gradients"].update(curvature=kinds))
    assert store.reload() == "2"
    with store.version() as version:
        assert (version.manifest.config.gradients.curvature, store.problem) == (kinds, "")
    store.close()


def test_a_version_with_other_settings_does_not_become_the_current_one(old: Path) -> None:
    store = Store(old)
    store.activate("1")
    before = (old / "CURRENT").read_text()
    resealed(old, lambda data: data["config"]["neurons"].update(steps=7))
    (old / "CURRENT").write_text(before)
    with pytest.raises(VersionGoneError, match="with another model or other settings"):
        store.activate("2")
    assert (old / "CURRENT").read_text() == before
    assert (store.number, store.problem, store.reload()) == ("1", "", "1")
    store.close()


def test_a_reload_of_an_index_with_other_settings_is_refused(index: Path, attridex: Any, project: Callable[..., Path]) -> None:
    store = Store(index)
    shutil.rmtree(index)
    assert attridex("build", project(count=30, neurons={"enabled": False}), "--out", index).code == 0
    store.mark(store._leases.served.version, "changed")
    with pytest.raises(VersionGoneError, match="built anew with another model or other settings; stop and serve it again"):
        store.reload()
    store.close()
