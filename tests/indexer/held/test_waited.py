"""A query of DuckDB ends once nobody waits for it, with what the check said; others are left alone."""

import threading
import time
import weakref
from pathlib import Path

import duckdb
import pytest

from attridex.indexer.held.waited import LOOK_SECONDS, LOOKOUT, waited_for
from attridex.indexer.index.catalog import Catalog

ENDLESS = "SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 8"


class GoneError(Exception):
    """What a check raises."""


def check() -> None:
    raise GoneError


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """One without any instances."""
    with duckdb.connect(str(tmp_path / "catalog.duckdb")) as made:
        made.execute("CREATE TABLE instances (row INTEGER, id VARCHAR)")
    return Catalog(tmp_path / "catalog.duckdb")


def test_a_query_that_nobody_waits_for_ends(catalog: Catalog) -> None:
    with waited_for(check), pytest.raises(GoneError):
        catalog.select(ENDLESS)


def test_a_query_is_stopped_while_it_runs_and_its_neighbour_is_not(catalog: Catalog) -> None:
    gone, ended = threading.Event(), list[type[Exception]]()

    def until() -> None:
        if gone.is_set():
            raise GoneError

    def endless() -> None:
        try:
            with waited_for(until):
                catalog.select(ENDLESS)
        except GoneError as error:
            ended.append(type(error))

    thread = threading.Thread(target=endless)
    thread.start()
    with waited_for(lambda: None):
        assert catalog.select("SELECT sum(i) FROM range(3000000) a(i)") == [(4499998500000,)]
    gone.set()
    thread.join(20)
    assert ended == [GoneError]


def test_without_anybody_who_waits_queries_run_on_and_errors_are_their_own(catalog: Catalog) -> None:
    assert catalog.select("SELECT 1") == [(1,)]
    with waited_for(lambda: None), pytest.raises(duckdb.Error, match="nothing"):
        catalog.select("SELECT nothing")
    assert not LOOKOUT._queries


def test_nothing_of_a_query_is_held_once_it_is_over() -> None:
    def interrupt() -> None:
        """Nothing to stop."""

    looked = threading.Event()
    with waited_for(looked.set), LOOKOUT.over(interrupt):
        assert looked.wait(20)
    alive = weakref.ref(interrupt)
    del interrupt
    deadline = time.monotonic() + 20
    while alive() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    assert alive() is None
