from pathlib import Path

from attridex.client.workbench.methods import NA, NA_INSTANCES, StudyMethod
from attridex.client.workbench.requests import instances_request, neurons_request
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    Query,
    Scoring,
)
from tests.client.workbench.made import made_context

RECORDS = [{"id": "q", "text": "a"}]
QUERIES = (Query.record(RECORDS[0]),)


def test_each_kind_of_method_has_its_own_call(tmp_path: Path) -> None:
    context = made_context(tmp_path, lambda request: request)
    drawn = StudyMethod("random")
    assert instances_request(context, drawn, RECORDS, k=2, label="gold", fields=["text"]) == AttributeInstancesRequest(
        QUERIES, Scoring("random", seed=7), 2, label="gold", fields=("text",)
    )
    assert instances_request(context, NA_INSTANCES, RECORDS, k=2, label="gold") == FindInstancesByNeuronsRequest(QUERIES, k=2)
    assert neurons_request(context, NA, RECORDS, r=5, instances=3) == AttributeNeuronsRequest(QUERIES, 5)
    assert neurons_request(
        context, StudyMethod("influence", "fisher"), RECORDS, r=5, instances=3
    ) == FindNeuronsByInstancesRequest(QUERIES, Scoring("influence", "fisher"), 3, 5, label="predicted")
