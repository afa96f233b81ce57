"""Commands that ask an index: query ia, na, na-instances, ia-neurons, and predict."""

from typing import Annotated

import typer

from attridex.client.arguments import as_filter
from attridex.client.commands.asking import Asking, ask_queries
from attridex.client.commands.options import (
    AllowPartial,
    Fields,
    Grouped,
    K,
    Label,
    NeuronMethod,
    ScoringOptions,
    Where,
    with_options,
)
from attridex.v1.requests import (
    AttributeInstancesRequest,
    AttributeNeuronsRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    Intervention,
    PredictRequest,
    as_label,
)


@with_options
def ia(
    asking: Asking,
    scoring: ScoringOptions,
    k: K = None,
    where: Where = None,
    label: Label = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="The lowest scores instead.")] = False,
    fields: Fields = "",
    group: Grouped = "",
    allow_partial: AllowPartial = False,
) -> None:
    """Training instances that a prediction owes most to (instance attribution)."""
    asked = {**scoring.asked(), "k": k, "where": where, "label": label, "ascending": ascending, "fields": fields}
    asked |= {"group": group} if group else {}
    asked |= partly(allow_partial)
    request = AttributeInstancesRequest(
        (), scoring.scoring(), k, as_filter(where), as_label(label), ascending=ascending, index=asking.name, group=group,
        allow_partial=allow_partial,
    )  # fmt: skip
    ask_queries(asking, request, asked, fields)


@with_options
def na(
    asking: Asking,
    r: Annotated[int, typer.Option("--r", help="Neurons a query; 0 gives all kept ones.")] = 20,
    method: NeuronMethod = None,
    refine: Annotated[
        float | None, typer.Option("--refine", help="Keep neurons that more than this share of a group's prompts name.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Column that says which prompts are of the same fact.")] = None,
) -> None:
    """Neurons that a prediction owes most to (neuron attribution)."""
    from attridex.client.commands.refine import ask_refined, refinement

    request = AttributeNeuronsRequest((), r, method or "", asking.name)
    if (wanted := refinement(asking, refine, group)) is not None:
        ask_refined(asking, request, wanted)
    else:
        ask_queries(asking, request, {"r": r, "method": method})


@with_options
def na_instances(
    asking: Asking,
    r: Annotated[int, typer.Option("--r", help="How many of the query's neurons count.")] = 5,
    k: K = None,
    similarity: Annotated[str, typer.Option("--similarity", help="dcns, activation or attribution.")] = "dcns",
    where: Where = None,
    fields: Fields = "",
    group: Grouped = "",
    allow_partial: AllowPartial = False,
) -> None:
    """Training instances found through a prediction's neurons (NA-Instances)."""
    asked = {"r": r, "k": k, "similarity": similarity, "where": where, "fields": fields} | ({"group": group} if group else {})
    asked |= partly(allow_partial)
    request = FindInstancesByNeuronsRequest(
        (), r, k, similarity, as_filter(where), index=asking.name, group=group, allow_partial=allow_partial
    )
    ask_queries(asking, request, asked, fields)


@with_options
def ia_neurons(
    asking: Asking,
    scoring: ScoringOptions,
    instances: Annotated[int | None, typer.Option("--instances", help="Influential instances a query; 10 unless given.")] = None,
    r: Annotated[int, typer.Option("--r", help="Neurons a query.")] = 10,
    aggregate: Annotated[str, typer.Option("--aggregate", help="top-neuron or summed.")] = "top-neuron",
    where: Where = None,
    label: Label = None,
    allow_partial: AllowPartial = False,
) -> None:
    """Neurons of the training instances that an IA method finds (IA-Neurons)."""
    asked = {**scoring.asked(), "r": r, "aggregate": aggregate, "where": where, "label": label}
    asked |= {"influential": instances} if instances is not None else {}
    asked |= partly(allow_partial)
    request = FindNeuronsByInstancesRequest(
        (), scoring.scoring(), instances, r, aggregate, as_filter(where), as_label(label), asking.name, allow_partial
    )
    ask_queries(asking, request, asked)


@with_options
def predict(
    asking: Asking,
    suppress: Annotated[
        list[str] | None,
        typer.Option("--suppress", help="na:R, ia:METHOD:R (ia:influence/fisher:R) or LAYER-UNIT,... (LAYER-EXPERT.UNIT)"),
    ] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="The same, keeping only these neurons; repeatable.")] = None,
) -> None:
    """Label probabilities, plain and with neurons suppressed or kept."""
    interventions = [Intervention.parse("suppress", text) for text in suppress or []]
    interventions += [Intervention.parse("keep", text) for text in keep or []]
    ask_queries(asking, PredictRequest((), tuple(interventions), asking.name), {"suppress": suppress, "keep": keep})


def partly(allowed: bool) -> dict[str, bool]:
    """What a batch job remembers of --allow-partial: nothing where it is not given, as those of before."""
    return {"allow_partial": True} if allowed else {}


def register(app: typer.Typer) -> None:
    """Add the query commands to an app."""
    query = typer.Typer(no_args_is_help=True, help="Ask an index about predictions.")
    query.command()(ia)
    query.command()(na)
    query.command("na-instances")(na_instances)
    query.command("ia-neurons")(ia_neurons)
    app.add_typer(query, name="query")
    app.command()(predict)
