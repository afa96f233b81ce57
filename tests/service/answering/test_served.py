"""One object answers every kind of request that the contract has, and tells what it can answer."""

import pytest

from attridex.indexer.index.layout import OWN_COLUMNS
from attridex.service.answering.call import Call
from attridex.service.answering.catalogue import get_instances, list_instances
from attridex.service.answering.served import USE_CASES, ServedIndex
from attridex.service.errors import InvalidArgumentError
from attridex.v1.answers import InstancesAnswer
from attridex.v1.filters import Comparison
from attridex.v1.requests import AttributeInstancesRequest, GetInstancesRequest, ListInstancesRequest, Query
from attridex.v1.rpcs import RPCS

PHONE = Comparison("genre", "=", "phone")


def test_every_call_of_the_contract_has_its_use_case(served: ServedIndex) -> None:
    assert USE_CASES.keys() == RPCS.keys()
    answer = served.answer(AttributeInstancesRequest((Query.instance("t1"),)))
    assert isinstance(answer, InstancesAnswer)
    assert answer.info.timings.search > 0


def test_instances_come_in_the_order_asked_and_pages_follow_each_other(call: Call) -> None:
    found = get_instances(call, GetInstancesRequest(("t9", "t2"), with_neurons=True))
    assert [each.id for each in found.instances] == ["t9", "t2"]
    assert all(each.neurons for each in found.instances)
    listed, token = [], ""
    while True:
        page = list_instances(call, ListInstancesRequest(PHONE, "-loss", 4, token, ("loss",)))
        listed += [each.fields["loss"] for each in page.instances]
        token = page.next_page_token
        if not token:
            break
    assert len(listed) == page.total == 15
    assert listed == sorted(listed, reverse=True)
    with pytest.raises(InvalidArgumentError, match="page_size = 1001: must be 1 to 1000"):
        list_instances(call, ListInstancesRequest(page_size=1001))


def test_a_description_tells_methods_with_what_is_missing_and_whose_columns_are_whose(served: ServedIndex) -> None:
    told = served.describe()
    missing = {method.name: method.missing for method in told.method_details if method.missing}
    assert missing.keys() == {"trak", "tracin"}
    assert told.methods == tuple(method.name for method in told.method_details if not method.missing)
    assert set(told.columns) - set(told.own_columns) == {"premise", "hypothesis", "genre"}
    assert set(OWN_COLUMNS) < set(told.own_columns)
    assert {"row", "self_influence", "self_influence_fisher", "self_influence_hessian"} < set(told.own_columns)
    assert (told.name, told.instances, told.has_model) == ("mine", 30, True)


def test_a_description_is_made_once_a_version(served: ServedIndex) -> None:
    assert served.describe() is served.describe()
