"""What studies ask: instances by any method, and neurons by NA or by the instances that a method finds."""

from collections.abc import Sequence

from attridex.client.arguments import Queries
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


def instances_request(
    context: Context, method: StudyMethod, queries: Queries, *, k: int, label: LabelSource | None, fields: Sequence[str] = ()
) -> AttributeInstancesRequest | FindInstancesByNeuronsRequest:
    """Ask for the k best training instances of each query, by any of the methods.

    Args:
        context: the run.
        method: by which.
        queries: records, or `Query` objects.
        k: instances a query.
        label: whose loss the queries' gradients are of; as the index was built where None.
        fields: columns to return with each instance.
    """
    asked = as_queries(queries)
    if method == NA_INSTANCES:
        return FindInstancesByNeuronsRequest(asked, k=k, fields=tuple(fields))
    return AttributeInstancesRequest(asked, context.scoring(method), k, label=label, fields=tuple(fields))


def neurons_request(
    context: Context, method: StudyMethod, queries: Queries, *, r: int, instances: int
) -> AttributeNeuronsRequest | FindNeuronsByInstancesRequest:
    """Ask for the r top neurons of each query: by NA, or by IA-Neurons with an instance method.

    Args:
        context: the run.
        method: `NA`, or the instance method.
        queries: records, or `Query` objects.
        r: neurons a query.
        instances: influential instances that IA-Neurons looks through.
    """
    asked = as_queries(queries)
    if method == NA:
        return AttributeNeuronsRequest(asked, r)
    return FindNeuronsByInstancesRequest(asked, context.scoring(method), instances, r, label=context.label)
