"""Whatever is more than the server takes is refused in one line that names it and the limit; what is just within is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attridex.service.edge.bounds import NAME_CHARACTERS, characters_of, check_answer, check_lengths, check_request
from attridex.service.errors import InvalidArgumentError, LimitError
from attridex.v1.filters import And, Comparison, Membership, Not, TextMatch
from attridex.v1.limits import Limits
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindNeuronsByInstancesRequest,
    GetInstancesRequest,
    Intervention,
    ListInstancesRequest,
    PredictRequest,
    Query,
)
from attridex.v1.rpcs import RPCS

SMALL = Limits(
    queries=5, results=40, ids=5, fields=5, interventions=5, neurons=5, text_characters=50, response_bytes=100,
)  # fmt: skip
ONE = (Query.instance("t1"),)
CASES: dict[str, tuple[Callable[[int], Any], int, str]] = {
    "queries": (lambda n: AttributeNeuronsRequest(ONE * n, 1), 5, "queries: 6 queries; at most 5 a request"),
    "k": (lambda n: AttributeInstancesRequest(ONE * 4, k=n), 10, "k = 11 for each of 4 queries: at most 40 results"),
    "k by default": (lambda n: AttributeInstancesRequest(ONE * n), 4, "k = 10 for each of 5 queries: at most 40 results"),
    "instances": (lambda n: FindNeuronsByInstancesRequest(ONE * 2, instances=n), 20, "instances = 21 for each of 2"),
    "r": (lambda n: AttributeNeuronsRequest(ONE * 2, n), 20, "r = 21 for each of 2 queries"),
    "ids": (lambda n: GetInstancesRequest(("t1",) * n), 5, "ids: 6 ids; at most 5 a request"),
    "a long id": (lambda n: GetInstancesRequest(("t" * n,)), NAME_CHARACTERS, "ids: a name of 1025 characters"),
    "fields": (lambda n: ListInstancesRequest(fields=("a",) * n), 5, "fields: 6 fields; at most 5 a request"),
    "interventions": (lambda n: PredictRequest(ONE, (Intervention("keep", r=1),) * n), 5, "interventions: 6 interventions"),
    "an intervention's neurons": (
        lambda n: PredictRequest(ONE, (Intervention("keep", [(0, 1)] * n),)), 5, "interventions: 6 neurons of an intervention",
    ),
    "a query's neurons": (lambda n: AttributeInstancesRequest((Query.neurons([(0, 1)] * n),)), 5, "queries: 6 neurons"),
    "text": (lambda n: AttributeInstancesRequest((Query.record({"a": "x" * (n - 1)}),)), 50, "query '#0': 51 characters of text"),
    "nested text": (
        lambda n: AttributeInstancesRequest((Query.record({"a": [{"b": ["x" * (n - 2)]}]}),)), 50, "51 characters of text",
    ),
    "a pattern": (lambda n: ListInstancesRequest(where=Not(TextMatch("a", "%" * (n - 1)))), 50, "where: 51 characters of text"),
    "literals": (
        lambda n: ListInstancesRequest(where=And((Comparison("a", "=", 1), Membership("b", ("x" * (n - 2), 1.0))))), 50,
        "where: 51 characters of text",
    ),
}  # fmt: skip


def check(request: Any) -> None:
    """Look at a request as it comes and as it is read."""
    check_lengths(RPCS[type(request)].request.encode(request), SMALL)
    check_request(request, SMALL)


@pytest.mark.parametrize(("make", "most", "words"), CASES.values(), ids=CASES.keys())
def test_one_more_than_the_limit_is_refused(make: Callable[[int], Any], most: int, words: str) -> None:
    check(make(most))
    with pytest.raises(InvalidArgumentError, match=words) as raised:
        check(make(most + 1))
    assert raised.value.field
    assert "\n" not in str(raised.value)


def test_a_single_query_may_ask_for_all_that_there_is() -> None:
    check_request(AttributeInstancesRequest(ONE, k=10**6), SMALL)


def test_an_answer_over_the_limit_is_not_sent() -> None:
    check_answer(100, SMALL)
    with pytest.raises(LimitError, match="the answer has 101 bytes; at most 100: ask for fewer"):
        check_answer(101, SMALL)


def test_vectors_and_numbers_have_no_characters() -> None:
    check_request(AttributeInstancesRequest((Query.vector(np.ones(1000)),)), SMALL)
    assert characters_of([1, 2.5, None, True, b"xx", {"a": "b"}]) == 2


def test_a_server_tells_its_limits_and_keeps_them(remote: Any) -> None:
    told = remote.get_index().limits
    assert told == Limits()
    assert len(remote.get_instances(["t1"] * told.ids, fields=["id"])) == told.ids
    with pytest.raises(Exception, match="ids: 10001 ids; at most 10000 a request"):
        remote.get_instances(["t1"] * (told.ids + 1))
