"""Neurons of every query by NA and by IA-Neurons of every instance method: asked once, for all studies that compare them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from attridex.client.records import Line
from attridex.client.workbench.context import Context, NotPossibleError
from attridex.client.workbench.methods import NA, NA_INSTANCES, Kind, StudyMethod
from attridex.client.workbench.requests import neurons_request
from attridex.client.workbench.results import Meaning
from attridex.v1.answers import NeuronsAnswer
from attridex.v1.neurons import Neuron

NEURONS = 100
"""Neurons asked for, a query."""
INSTANCES = 1000
"""Influential instances that IA-Neurons looks through; each gives its best neuron."""


@dataclass(frozen=True)
class NamedNeurons:
    """The top neurons of each query by one method.

    Attributes:
        neurons: of each query, by its id, best first.
        meaning: of the method's scores.
    """

    neurons: Mapping[str, Sequence[Neuron]]
    meaning: Meaning


def neurons_of(context: Context) -> dict[StudyMethod, NamedNeurons]:
    """The top neurons of each query, by NA and by IA-Neurons of each instance method.

    Raises:
        NotPossibleError: the index has no neurons.
    """
    if not context.index.manifest["neurons"]:
        raise NotPossibleError("the index was built without neurons; build with neurons.enabled = true")
    asked = [NA, *(method for method in context.methods if method != NA_INSTANCES)]
    return {method if method == NA else method.used_for(Kind.IA_NEURONS): named_neurons(context, method) for method in asked}


def named_neurons(context: Context, method: StudyMethod) -> NamedNeurons:
    """The top neurons of each query by one method."""
    looked = min(INSTANCES, context.index.instances)
    r = min(NEURONS, context.index.layout.size)
    lines = context.ask(
        f"neurons/{method.path}", context.queries,
        lambda batch: neurons_request(context, method, batch, r=r, instances=looked),
        neuron_lines, settings={"method": method.name, "r": r, "instances": looked, "label": context.label},
    )  # fmt: skip
    found = {line["query"]: [Neuron(*pair) for pair in line["neurons"]] for line in lines}
    return NamedNeurons(found, Meaning(lines[0]["sign"], lines[0]["scale"]))


def neuron_lines(answer: NeuronsAnswer) -> Iterator[Line]:
    """One line a query: its neurons as (layer, unit), with the expert where they have one."""
    for result in answer.results:
        neurons = [each.neuron.numbers for each in result.neurons]
        yield {"query": result.query_id, "neurons": neurons, "sign": answer.info.sign, "scale": answer.info.scale}
