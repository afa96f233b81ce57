"""What studies ask: instances by any method, and neurons by NA or by the instances that a method finds."""

from collections.abc import Mapping, Sequence
from typing import Any

from attridex.client.workbench.context import Context
from attridex.client.workbench.methods import NA, NA_INSTANCES, StudyMethod
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    LabelSource,
    as_queries,
)

Records = Sequence[Mapping[str, Any]]


def instances_request(
    context: Context, method: StudyMethod, records: Records, *, k: int, label: LabelSource, fields: Sequence[str] = ()
) -> AttributeInstancesRequest | FindInstancesByNeuronsRequest:
    """Ask for the k best training instances of each query, by any of the methods.

    Args:
        context: the run.
        method: by which.
        records: the queries.
        k: instances a query.
        label: whose loss the queries' gradients are of.
        fields: columns to return with each instance.
    """
    queries = as_queries(records)
    if method == NA_INSTANCES:
        return FindInstancesByNeuronsRequest(queries, k=k, fields=tuple(fields))
    return AttributeInstancesRequest(queries, context.scoring(method), k, label=label, fields=tuple(fields))


def neurons_request(
    context: Context, method: StudyMethod, records: Records, *, r: int, instances: int
) -> AttributeNeuronsRequest | FindNeuronsByInstancesRequest:
    """Ask for the r top neurons of each query: by NA, or by IA-Neurons with an instance method.

    Args:
        context: the run.
        method: `NA`, or the instance method.
        records: the queries.
        r: neurons a query.
        instances: influential instances that IA-Neurons looks through.
    """
    queries = as_queries(records)
    if method == NA:
        return AttributeNeuronsRequest(queries, r)
    return FindNeuronsByInstancesRequest(queries, context.scoring(method), instances, r, label=context.label)
