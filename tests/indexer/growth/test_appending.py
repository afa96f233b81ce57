"""An index that is appended to or updated answers as one that is built from scratch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.client import Client
from attridex.indexer.errors import InputError
from attridex.indexer.growth.appending import Appender, append
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from tests.conftest import records
from tests.indexer.growth.conftest import BEGUN, CORPUS, Build, Rows, scores
from tests.indexer.renewal.conftest import problems

OF_ALL = ("influence", "trak")
"""Methods that need all rows, and are stale until a refresh."""
File = Callable[[Rows], Path]


def same(found: dict[str, dict[str, float]], expected: dict[str, dict[str, float]], *, exact: bool) -> None:
    """A score that needs all rows, or that was not summed in the same order, is near: to 1e-5 of the largest."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        near = pytest.approx(values, rel=1e-5, abs=1e-5 * max(map(abs, values.values()), default=0))
        assert found[name] == (near if name.startswith(OF_ALL) or not exact else values), name


def test_appended_instances_answer_as_a_build_from_scratch_does(grown: Path, whole: Path, file_of: File) -> None:
    done = append(grown, [file_of(records(CORPUS)[BEGUN:])], show_progress=False)
    assert (done.version, done.signed, done.instances, done.left_out) == ("2", 4, 4, 0)
    expected, found = scores(whole), scores(grown)
    for name in [name for name in found if name.startswith(OF_ALL)]:
        assert found.pop(name) != expected[name]
    same(found, {name: expected[name] for name in found}, exact=True)
    with Client.local(grown) as client:
        assert set(client.get_index().stale) == {"curvature", "neuron_statistics", "approximate"}
        stale = {name: client.attribute_instances(records(1), method=name).info.stale for name in ("influence", "grad-dot")}
        near = client.attribute_instances(records(1), method="grad-dot", k=CORPUS, approximate="sq8")
    assert stale == {"influence": ("curvature",), "grad-dot": ()}
    assert near.info.stale == ("approximate",)
    assert {hit.id: hit.score for hit in near.results[0].hits} == pytest.approx(found["grad-dot/t0"], rel=1e-5)
    assert set(refresh(grown).refreshed) == {"curvature", "neuron_statistics", "approximate"}
    same(scores(grown), expected, exact=True)
    assert (refresh(grown).refreshed, problems(grown)) == ((), [])


def test_an_updated_record_is_replaced_everywhere_and_deletes_of_its_id_are_before_it(
    grown: Path, begin: Build, file_of: File
) -> None:
    rows = records(BEGUN)
    changed = [{**rows[3], "premise": "cat ran"}, {**rows[7], "label": 0}]
    appender = Appender(grown)
    done = appender.update([file_of(changed)])
    assert (done.instances, done.replaced) == (2, 2)
    refresh(grown)
    others = [row for at, row in enumerate(rows) if at not in (3, 7)]
    same(scores(grown), scores(begin(others + changed)), exact=False)
    with pytest.raises(InputError, match="'t3' is not deleted"):
        undelete_ids(grown, ["t3"])
    delete_ids(grown, ["t3"])
    appender.update([file_of(changed[:1])])
    delete_ids(grown, ["t2"])
    appender.append([file_of([rows[2]])])
    assert scores(grown, ["grad-dot"])["grad-dot/t0"].keys() == {row["id"] for row in rows}
    assert problems(grown) == []


def test_the_last_append_once_more_is_done_already_unless_one_of_its_records_is_gone_or_another(
    grown: Path, file_of: File, capsys: pytest.CaptureFixture[str]
) -> None:
    appender, some = Appender(grown, show_progress=True), [{**record, "id": f"new{n}"} for n, record in enumerate(records(3))]
    first = appender.append([file_of(some)])
    before = sorted(grown.rglob("*"))
    again = appender.append([file_of(some)])
    assert (again.version, again.signed, again.instances) == (first.version, 0, 0)
    assert "the last append was of these very records; they are in" in capsys.readouterr().err
    assert sorted(grown.rglob("*")) == before
    for changed in ({"premise": "another"}, {"genre": "another"}, {"label": 1 - some[0]["label"]}):
        with pytest.raises(InputError, match="'new0' and 2 more are there already"):
            appender.append([file_of([{**some[0], **changed}, *some[1:]])])
    delete_ids(grown, ["new1"])
    with pytest.raises(InputError, match="'new0' and 1 more are there already"):
        appender.append([file_of(some)])


@pytest.mark.parametrize(
    ("action", "number", "said"),
    [("append", 0, "'t0' is there already; `attridex update`"), ("update", 11, "no 't11' there to update; `attridex append`")],
)
def test_ids_that_do_not_fit_are_refused_and_nothing_is_changed(
    grown: Path, file_of: File, action: str, number: int, said: str
) -> None:
    before = sorted(grown.rglob("*"))
    with pytest.raises(InputError, match=said):
        getattr(Appender(grown), action)([file_of([records(12)[number]])])
    assert sorted(grown.rglob("*")) == before
