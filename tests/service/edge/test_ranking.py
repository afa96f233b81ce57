"""Whole rankings: every score of `attribute_instances`, as arrays, over a socket and in process."""

import asyncio
from typing import Any

import numpy as np
import pytest

from attridex.client import AsyncClient, Client, Query, Ranking, Scoring, errors
from attridex.service.errors import InvalidArgumentError
from attridex.service.search import whole
from attridex.v1.answers import Timings

RECORD = {"id": "q", "premise": "the dog ran", "hypothesis": "some cat slept", "label": 1}
ASKED = [RECORD, {"id": "p", "premise": "a lawyer", "hypothesis": "not today"}, Query.instance("t3")]
METHODS: list[dict[str, Any]] = [
    {"method": "grad-dot"}, {"method": "grad-cos"}, {"method": "influence", "curvature": "fisher", "damping": 0.1},
    {"method": "rep-sim"}, {"method": "bm25"}, {"method": "random", "seed": 3},
]  # fmt: skip
WHERE = "genre = 'phone' AND NOT loss > 9"


@pytest.fixture(params=["remote", "local"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client, whose blocks are small."""
    monkeypatch.setattr(whole, "VALUES", 12)
    monkeypatch.setattr(whole, "ROWS", 7)
    found: Client = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("scoring", METHODS, ids=lambda scoring: scoring["method"])
@pytest.mark.parametrize("where", [None, WHERE])
def test_scores_are_those_of_attribute_instances(client: Client, scoring: Any, where: str | None) -> None:
    expected = client.attribute_instances(ASKED, k=30, where=where, **scoring)
    exact = Ranking.of(client.rank_instances(ASKED, where=where, dtype="float64", **scoring))
    quick = Ranking.of(client.rank_instances(ASKED, where=where, **scoring))
    assert exact.info.method == expected.info.method
    assert exact.info.scale == expected.info.scale
    assert exact.info.exact
    assert exact.query_ids == quick.query_ids == tuple(result.query_id for result in expected.results)
    assert not exact.bounds.any()
    assert quick.scores.dtype == np.float32
    for number, result in enumerate(expected.results):
        found = {(exact.ids[at], int(exact.rows[at])): exact.scores[number, at] for at in range(len(exact.rows))}
        assert found == {(hit.id, hit.row): hit.score for hit in result.hits}
        assert [exact.ids[at] for at in exact.order(number)] == [hit.id for hit in result.hits]
    assert (np.abs(quick.scores - exact.scores) <= quick.bounds[:, None]).all()
    assert (quick.bounds <= 1e-4 * np.abs(exact.scores).max(1) + 1e-30).all()


def test_an_answer_comes_in_blocks_and_says_once_how_it_was_made(client: Client) -> None:
    blocks = list(client.rank_instances(ASKED))
    assert len(blocks) > 3
    assert [block.info is None for block in blocks] == [False, *[True] * (len(blocks) - 1)]
    assert blocks[0].total == 30 == sum(len(block.rows) for block in blocks)
    batch = blocks[0].to_arrow()
    assert batch.schema.names == ["row", "id", "scores"]
    assert batch.schema.metadata[b"queries"] == b'["q", "p", "t3"]'
    assert np.array_equal(np.array(batch["scores"].to_pylist()), blocks[0].scores.T)


def test_nothing_to_rank_is_an_answer(client: Client) -> None:
    found = Ranking.of(client.rank_instances(ASKED, where="loss < -1"))
    assert found.scores.shape == (3, 0)
    assert found.query_ids == ("q", "p", "t3")
    assert found.info.method == "grad-dot"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scoring": Scoring(exact=False)}, "approximate"),
        ({"dtype": "float16"}, "use 'float32' or 'float64'"),
        ({"method": "nothing"}, "method: unknown 'nothing'"),
        ({"where": "nothing = 1"}, "where: unknown column 'nothing'"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_one_line(client: Client, asked: Any, words: str) -> None:
    with pytest.raises(errors.ClientError, match=words):
        list(client.rank_instances(ASKED, **asked))


def test_scores_beyond_float32_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match='beyond the range of float32; ask for "float64"'):
        list(whole.row_blocks(np.array([1.0, 1e300]), None, "float32"))
    (block,) = whole.row_blocks(np.array([1.0, 1e300]), None, "float64")
    assert block.scores.tolist() == [[1.0, 1e300]]


def test_a_block_left_alone_holds_nothing_up(client: Client) -> None:
    blocks = client.rank_instances(ASKED)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(client.attribute_instances(ASKED).results) == 3


def test_part_of_a_ranking_is_no_ranking(client: Client) -> None:
    first, *others = client.rank_instances(ASKED)
    for part in ([first, *others[:-1]], others):
        with pytest.raises(errors.ClientError, match="not whole"):
            Ranking.of(part)


def test_asyncio_gets_the_same(server: Any, local: Client) -> None:
    async def ask() -> Ranking:
        async with AsyncClient(f"127.0.0.1:{server.port}") as client:
            return Ranking.of([block async for block in client.rank_instances(ASKED)])

    found, expected = asyncio.run(ask()), Ranking.of(local.rank_instances(ASKED))
    assert found.info.timings != Timings(0, 0, 0)
    assert np.array_equal(found.scores, expected.scores)
