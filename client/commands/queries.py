"""Commands that ask an index: query ia, na, na-instances, ia-neurons, and predict."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from attridex.client import calls, output
from attridex.client.calls import Intervention
from attridex.client.client import Client
from attridex.client.commands.asking import Asking, as_query, batches
from attridex.client.evaluate import evaluate, fingerprint
from attridex.v1 import attribution_pb2 as pb

QueryFile = Annotated[Path | None, typer.Option("--queries", help="JSONL, CSV or Parquet with the corpus's columns.")]
InstanceIds = Annotated[list[str] | None, typer.Option("--instance", help="Ask about a training instance; repeatable.")]
IndexDir = Annotated[Path | None, typer.Option("--index", help="Index directory, opened in this process.")]
ServerAddress = Annotated[str | None, typer.Option("--server", help="HOST:PORT of a running server.")]
IndexName = Annotated[str, typer.Option("--name", help="The server's index, where it has several.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many queries.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write JSON lines there as a batch job that can be resumed.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds a request may take.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.")]
Where = Annotated[str | None, typer.Option("--where", help="Condition on instances: \"label = 'x' AND loss > 2\".")]
K = Annotated[int | None, typer.Option("--k", help="Instances a query; 10 unless given.")]
Fields = Annotated[str, typer.Option("--fields", help="Columns to show, with commas; 'none' shows none.")]
Method = Annotated[
    str, typer.Option("--method", help="grad-dot, grad-cos, influence, lissa, tracin, trak, rep-sim, bm25 or random.")
]
NeuronMethod = Annotated[
    str | None,
    typer.Option(
        "--method", help="integrated-gradients, or activation-gradient (fast, approximate); as the index was built unless given."
    ),
]
Curvature = Annotated[str | None, typer.Option("--curvature", help="hessian, fisher, kfac or ekfac, for influence and lissa.")]
Damping = Annotated[float | None, typer.Option("--damping", help="lambda of (H + lambda I)^-1.")]
LissaScale = Annotated[float | None, typer.Option("--lissa-scale", help="For lissa; 1e4 unless given.")]
LissaDepth = Annotated[int | None, typer.Option("--lissa-depth", help="For lissa; 1000 steps unless given.")]
Seed = Annotated[int | None, typer.Option("--seed", help="For random; 0 unless given.")]
Structure = Annotated[
    str | None,
    typer.Option("--approximate", help="sq8, rabitq, ivf or auto: search by a structure that the index was built with."),
]
Label = Annotated[str | None, typer.Option("--label", help="gold or predicted: whose loss the query's gradient is of.")]
Verify = Annotated[bool, typer.Option("--no-verify", help="Do not check the index's files first.")]


def fields_of(client: Client, fields: str) -> list[str]:
    """Columns to show: those named, or else the corpus's own and the label."""
    if fields == "none":
        return []
    if fields:
        return [name.strip() for name in fields.split(",")]
    own = ("row", "id", "content_hash", "predicted", "loss", "gradient_norm", "tokens", "truncated")
    return [name for name in client.get_index().columns if name not in own and not name.startswith("self_influence")]


def run(
    asking: Asking,
    make: Callable[[Client, list[Any]], Any],
    lines: Callable[[Any], Iterator[dict[str, Any]]],
    kind: str,
    answers: Callable[[Client, Any], Any],
    settings: Mapping[str, Any],
) -> None:
    """Ask in batches and show answers as they come, or run a batch job into a file.

    Args:
        asking: whom and what to ask.
        make: makes the request message for some queries.
        lines: makes JSON lines of an answer.
        kind: the request's field in a stream message.
        answers: sends a request and gives its answer.
        settings: what is asked, for resuming a job.
    """
    # One pass before any work: a bad line is found now, not after hours.
    total = sum(1 for _ in asking.sources())
    with asking.client() as client:
        if asking.out:
            job(asking, client, total, make, lines, kind, settings)
            return
        from rich.console import Console

        console = Console()
        for batch in batches(asking.sources()):
            answer = answers(client, make(client, [as_query(source) for source in batch]))
            if asking.as_json:
                for line in lines(answer):
                    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
                sys.stdout.flush()
            else:
                output.show(console, answer, {str(source["id"]): text_of(source) for source in batch})


def job(
    asking: Asking,
    client: Client,
    total: int,
    make: Callable[[Client, list[Any]], Any],
    lines: Callable[[Any], Iterator[dict[str, Any]]],
    kind: str,
    settings: Mapping[str, Any],
) -> None:
    """Run the queries as a batch job."""
    from attridex.indexer.progress import progress

    asked = {"kind": kind, **settings, "limit": asking.limit, "instances": asking.instances}
    if asking.queries:
        asked["queries"] = fingerprint(asking.queries)

    def build(batch: list[Mapping[str, Any]]) -> pb.AttributeStreamRequest:
        return pb.AttributeStreamRequest(**{kind: make(client, [as_query(source) for source in batch])})

    if asking.out is None:
        return
    with progress("Evaluating", total, "queries", enabled=True) as advance:
        asked_now = evaluate(client, asking.sources(), build, lines, asking.out, settings=asked, advance=advance)
    sys.stderr.write(f"{asking.out}: {total} queries, {asked_now} asked now\n")


def text_of(source: Mapping[str, Any]) -> str:
    """A query's text, for people."""
    return "  ".join(f"{key}: {value}" for key, value in source.items() if key != "id" and isinstance(value, str))


def ia(
    queries: QueryFile = None,
    instance: InstanceIds = None,
    index: IndexDir = None,
    server: ServerAddress = None,
    name: IndexName = "",
    method: Method = "grad-dot",
    curvature: Curvature = None,
    damping: Damping = None,
    lissa_scale: LissaScale = None,
    lissa_depth: LissaDepth = None,
    seed: Seed = None,
    approximate: Structure = None,
    k: K = None,
    where: Where = None,
    label: Label = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="The lowest scores instead.")] = False,
    fields: Fields = "",
    limit: Limit = None,
    out: Out = None,
    timeout: Timeout = 3600.0,
    no_verify: Verify = False,
    as_json: Json = False,
) -> None:
    """Training instances that a prediction owes most to (instance attribution)."""
    asking = Asking(queries, instance, index, server, name, limit, out, timeout, as_json, no_verify)
    options = {
        "method": method, "curvature": curvature, "damping": damping, "lissa_scale": lissa_scale, "lissa_depth": lissa_depth,
        "seed": seed, "approximate": approximate,
        "k": k, "where": where, "label": label, "ascending": ascending,
    }  # fmt: skip

    def make(client: Client, batch: list[Any]) -> pb.AttributeInstancesRequest:
        return calls.attribute_instances(name, batch, fields=fields_of(client, fields), **options)  # type: ignore[arg-type]

    run(
        asking, make, output.instance_lines, "attribute_instances",
        lambda client, request: client.attribute_instances_message(request), {**options, "fields": fields},
    )  # fmt: skip


def na(
    queries: QueryFile = None,
    instance: InstanceIds = None,
    index: IndexDir = None,
    server: ServerAddress = None,
    name: IndexName = "",
    r: Annotated[int, typer.Option("--r", help="Neurons a query; 0 gives all kept ones.")] = 20,
    method: NeuronMethod = None,
    refine: Annotated[
        float | None, typer.Option("--refine", help="Keep neurons that more than this share of a group's prompts name.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Column that says which prompts are of the same fact.")] = None,
    limit: Limit = None,
    out: Out = None,
    timeout: Timeout = 3600.0,
    no_verify: Verify = False,
    as_json: Json = False,
) -> None:
    """Neurons that a prediction owes most to (neuron attribution)."""
    from attridex.client.commands.refine import refinement, run_refined

    asking = Asking(queries, instance, index, server, name, limit, out, timeout, as_json, no_verify)
    if (wanted := refinement(asking, refine, group)) is not None:
        run_refined(asking, wanted, r, method)
        return
    run(
        asking,
        lambda _client, batch: calls.attribute_neurons(name, batch, r=r, method=method),
        output.neuron_lines,
        "attribute_neurons",
        lambda client, request: client.attribute_neurons_message(request),
        {"r": r, "method": method},
    )


def na_instances(
    queries: QueryFile = None,
    instance: InstanceIds = None,
    index: IndexDir = None,
    server: ServerAddress = None,
    name: IndexName = "",
    r: Annotated[int, typer.Option("--r", help="How many of the query's neurons count.")] = 5,
    k: K = None,
    similarity: Annotated[str, typer.Option("--similarity", help="dcns, activation or attribution.")] = "dcns",
    where: Where = None,
    fields: Fields = "",
    limit: Limit = None,
    out: Out = None,
    timeout: Timeout = 3600.0,
    no_verify: Verify = False,
    as_json: Json = False,
) -> None:
    """Training instances found through a prediction's neurons (NA-Instances)."""
    asking = Asking(queries, instance, index, server, name, limit, out, timeout, as_json, no_verify)

    def make(client: Client, batch: list[Any]) -> pb.FindInstancesByNeuronsRequest:
        return calls.find_instances_by_neurons(
            name, batch, r=r, k=k, similarity=similarity, where=where, fields=fields_of(client, fields)
        )

    settings = {"r": r, "k": k, "similarity": similarity, "where": where, "fields": fields}
    run(
        asking, make, output.instance_lines, "find_instances_by_neurons",
        lambda client, request: client.find_instances_message(request), settings,
    )  # fmt: skip


def ia_neurons(
    queries: QueryFile = None,
    instance: InstanceIds = None,
    index: IndexDir = None,
    server: ServerAddress = None,
    name: IndexName = "",
    method: Method = "grad-dot",
    curvature: Curvature = None,
    damping: Damping = None,
    lissa_scale: LissaScale = None,
    lissa_depth: LissaDepth = None,
    seed: Seed = None,
    approximate: Structure = None,
    instances: Annotated[int | None, typer.Option("--instances", help="Influential instances a query; 10 unless given.")] = None,
    r: Annotated[int, typer.Option("--r", help="Neurons a query.")] = 10,
    aggregate: Annotated[str, typer.Option("--aggregate", help="top-neuron or summed.")] = "top-neuron",
    where: Where = None,
    label: Label = None,
    limit: Limit = None,
    out: Out = None,
    timeout: Timeout = 3600.0,
    no_verify: Verify = False,
    as_json: Json = False,
) -> None:
    """Neurons of the training instances that an IA method finds (IA-Neurons)."""
    asking = Asking(queries, instance, index, server, name, limit, out, timeout, as_json, no_verify)
    options = {
        "method": method, "curvature": curvature, "damping": damping, "lissa_scale": lissa_scale, "lissa_depth": lissa_depth,
        "seed": seed, "approximate": approximate,
        "instances": instances, "r": r, "aggregate": aggregate, "where": where, "label": label,
    }  # fmt: skip
    run(
        asking,
        lambda _client, batch: calls.find_neurons_by_instances(name, batch, **options),  # type: ignore[arg-type]
        output.neuron_lines,
        "find_neurons_by_instances",
        lambda client, request: client.find_neurons_message(request),
        options,
    )


def predict(
    queries: QueryFile = None,
    instance: InstanceIds = None,
    index: IndexDir = None,
    server: ServerAddress = None,
    name: IndexName = "",
    suppress: Annotated[
        list[str] | None, typer.Option("--suppress", help="na:R, ia:METHOD:R (ia:influence/fisher:R) or LAYER-UNIT,...")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="The same, keeping only these neurons; repeatable.")] = None,
    limit: Limit = None,
    out: Out = None,
    timeout: Timeout = 3600.0,
    no_verify: Verify = False,
    as_json: Json = False,
) -> None:
    """Label probabilities, plain and with neurons suppressed or kept."""
    asking = Asking(queries, instance, index, server, name, limit, out, timeout, as_json, no_verify)
    interventions = [Intervention.parse("suppress", text) for text in suppress or []]
    interventions += [Intervention.parse("keep", text) for text in keep or []]
    run(
        asking,
        lambda _client, batch: calls.predict(name, batch, interventions=interventions),
        output.predict_lines,
        "predict",
        lambda client, request: client.predict_message(request),
        {"suppress": suppress, "keep": keep},
    )


def register(app: typer.Typer) -> None:
    """Add the query commands to an app."""
    query = typer.Typer(no_args_is_help=True, help="Ask an index about predictions.")
    query.command()(ia)
    query.command()(na)
    query.command("na-instances")(na_instances)
    query.command("ia-neurons")(ia_neurons)
    app.add_typer(query, name="query")
    app.command()(predict)
