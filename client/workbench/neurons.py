"""Neurons of every query by NA and by IA-Neurons of every instance method: asked once, for all studies that compare them."""

from collections.abc import Iterator
from typing import Any

from attridex.client.workbench.context import Context, NotPossibleError
from attridex.client.workbench.methods import instance_methods, neurons_request

NA = "na"
NEURONS = 100
"""Neurons asked for, a query."""
INSTANCES = 1000
"""Influential instances that IA-Neurons looks through; each gives its best neuron."""
Pair = tuple[int, int]
"""(layer, unit)."""
Words = dict[str, dict[str, str]]
"""Sign and scale of each method's scores."""


def neurons_of(context: Context) -> tuple[dict[str, dict[str, list[Pair]]], Words]:
    """The top neurons of each query, best first, as method -> query id -> neurons; and what the scores mean.

    Raises:
        NotPossibleError: the index has no neurons.
    """
    if not context.index.manifest["neurons"]:
        raise NotPossibleError("the index was built without neurons; build with neurons.enabled = true")
    looked = min(INSTANCES, context.index.instances)
    r = min(NEURONS, context.index.layers * context.index.units)
    found: dict[str, dict[str, list[Pair]]] = {}
    words: Words = {}
    for method in (NA, *instance_methods(context.methods)):
        lines = context.ask(
            f"neurons/{method.replace('/', '-')}", context.queries,
            lambda batch, method=method: neurons_request(  # type: ignore[misc]
                method, batch, r=r, label=context.label, seed=context.seed, instances=looked
            ),
            neuron_lines, settings={"method": method, "r": r, "instances": looked, "label": context.label},
        )  # fmt: skip
        name = method if method == NA else f"ia-neurons/{method}"
        found[name] = {line["query"]: [(layer, unit) for layer, unit in line["neurons"]] for line in lines}
        words[name] = {"sign": lines[0]["sign"], "scale": lines[0]["scale"]}
    return found, words


def neuron_lines(answer: Any) -> Iterator[dict[str, Any]]:
    """One line a query: its neurons as (layer, unit)."""
    for result in answer.results:
        neurons = [[each.layer, each.unit] for each in result.neurons]
        yield {"query": result.query_id, "neurons": neurons, "sign": answer.info.sign, "scale": answer.info.scale}
