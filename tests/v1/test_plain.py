"""The plain form: sources have one name, short forms are read once, answers become tables."""

from typing import Any

import numpy as np
import pytest

from attridex.v1.answers import Info, InstanceHit, InstancesAnswer, InstancesResult, Method, Setting
from attridex.v1.errors import UsageError
from attridex.v1.requests import SOURCES, Intervention, Neuron, Query, Scoring, as_neurons, as_queries, parse_scoring


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (Query.record({"a": 1}), "record"),
        (Query.instance("t1"), "instance_id"),
        (Query.vector([1.0]), "vector"),
        (Query.neurons([(0, 1)]), "neurons"),
        (Query(), ""),
    ],
)
def test_a_query_says_what_kind_of_source_it_has(query: Query, kind: str) -> None:
    assert query.kind == kind
    assert set(SOURCES.values()) >= {kind} - {""}


def test_queries_without_an_id_are_named_after_their_place() -> None:
    assert [query.id for query in as_queries([{"a": 1}, {"id": 7}, Query.instance("t1")])] == ["query-0", "7", "t1"]
    for wrong in ({"a": 1}, Query.instance("t1"), "t1"):
        with pytest.raises(UsageError, match="a list is needed"):
            as_queries(wrong)


@pytest.mark.parametrize("pairs", [[(1,)], [(-1, 2)], [(1.5, 2)], [(0, 1 << 32)], 3])
def test_what_is_no_neuron_is_refused(pairs: Any) -> None:
    with pytest.raises(UsageError, match="pairs"):
        as_neurons(pairs)


def test_an_intervention_is_read_from_its_short_form() -> None:
    assert Intervention.parse("keep", "na:10") == Intervention("keep", r=10, name="keep na:10")
    found = Intervention.parse("suppress", "ia:influence/fisher:5")
    assert (found.scoring, found.r) == (Scoring("influence", "fisher"), 5)
    assert Intervention.parse("keep", "3-17,5-2").neurons == (Neuron(3, 17), Neuron(5, 2))
    for wrong in ("na:", "ia", "3-17-4", "x:5"):
        with pytest.raises(UsageError, match="write na:R"):
            Intervention.parse("keep", wrong)
    assert parse_scoring("na") is None
    with pytest.raises(UsageError, match="unknown method 'grad-dot'"):
        parse_scoring("grad-dot")


def test_settings_that_are_given_are_those_that_are_set() -> None:
    assert Scoring().given == {}
    assert Scoring("lissa", damping=0.0, seed=0, settings={"own": "x"}).given == {"damping": 0.0, "seed": 0, "own": "x"}
    assert Method("m", "", "", "", (Setting("own", "", "text"),)).has("own")


def test_an_answer_is_a_table_of_its_hits() -> None:
    hits = tuple(InstanceHit(rank, f"t{rank}", rank, 1 / rank, {"label": "a"}) for rank in (1, 2))
    answer = InstancesAnswer(Info("i", "1", "m", "", ""), (InstancesResult("q", None, hits),))
    expected = [{"query_id": "q", "rank": r, "id": f"t{r}", "row": r, "score": 1 / r, "label": "a"} for r in (1, 2)]
    assert answer.to_arrow().to_pylist() == expected
    assert answer.to_pandas().to_dict("records") == expected
    assert np.isfinite(answer.to_pandas()["score"]).all()


def test_whole_numbers_beyond_64_bits_are_decimals_in_a_table() -> None:
    info = Info("i", "1", "m", "", "")
    hits = tuple(InstanceHit(rank, f"t{rank}", rank, 0.5, {"big": value}) for rank, value in enumerate((2**63 + 5, None, -1), 1))
    table = InstancesAnswer(info, (InstancesResult("q", None, hits),)).to_arrow()
    assert [None if value is None else int(value) for value in table.column("big").to_pylist()] == [2**63 + 5, None, -1]
    assert table.column("rank").to_pylist() == [1, 2, 3]
