"""attridex study: the comparison studies on an index, and the report of their results."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attridex.client.client import Client
from attridex.client.commands.asking import Asking
from attridex.client.commands.options import (
    QUERY_FILE,
    Delimiter,
    IndexDir,
    IndexName,
    Json,
    ModelPlace,
    Quoting,
    ServerAddress,
    Timeout,
    Verify,
    from_stdin,
)
from attridex.client.errors import UsageError
from attridex.client.files import json_line
from attridex.client.studies.registry import study_names

if TYPE_CHECKING:
    from attridex.client.workbench.context import Context
    from attridex.client.workbench.results import StudyResult
    from attridex.client.workbench.settings import Settings

ALL = "all"


def study(
    name: Annotated[str, typer.Argument(help=f"{', '.join(study_names())}, or all.")],
    queries: Annotated[Path, typer.Option("--queries", help=QUERY_FILE, callback=from_stdin)],
    out: Annotated[Path, typer.Option("--out", help="Directory of results; the same command goes on after a kill.")],
    index: IndexDir = None,
    server: ServerAddress = None,
    index_name: IndexName = "",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything drawn.")] = 0,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Trainings of every model that a study retrains, with a seed each.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A taste: at most so many queries and tests.")] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="TOML: shared keys, and a table for each study.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration with a training section, where the index's has none.")
    ] = None,
    delimiter: Delimiter = None,
    quoting: Quoting = None,
    timeout: Timeout = 3600.0,
    no_verify: Verify = False,
    model: ModelPlace = None,
    as_json: Json = False,
) -> None:
    """The comparison studies: results with intervals as JSON and Parquet, and a report."""
    known = study_names()
    if name != ALL and name not in known:
        raise UsageError(f"unknown study '{name}'; known: {', '.join(known)}, all")
    names = known if name == ALL else (name,)
    from attridex.client.studies.registry import studies
    from attridex.client.studies.run import run_studies
    from attridex.client.workbench.settings import load_settings

    chosen = load_settings(settings, {known.name: known.settings for known in studies().values()})
    if seeds is not None:
        chosen = replace(chosen, common=replace(chosen.common, seeds=seeds))
    asking = Asking(
        queries, None, index, server, index_name, limit=limit, timeout=timeout, no_verify=no_verify, as_json=as_json,
        delimiter=delimiter, quoting=quoting, model=model,
    )  # fmt: skip
    with asking.client() as client:
        context = make_context(client, asking, chosen, out, seed, config)
        left_out = run_studies(names, context, chosen, skip=name == ALL)
    show(out, names, as_json)
    for one, why in left_out.items():
        sys.stderr.write(f"{one}: left out: {why}\n")
    from attridex.client.report.page import write_report

    sys.stderr.write(f"{write_report(out)}\n")


def make_context(client: Client, asking: Asking, settings: "Settings", out: Path, seed: int, config: Path | None) -> "Context":
    """What every study is given; queries are read and drawn before any work.

    Args:
        client: whom to ask.
        asking: the command's options.
        settings: of the run.
        out: the run's directory.
        seed: of everything drawn.
        config: file for studies that retrain; None takes the index's own.
    """
    from attridex.client.workbench.context import Context, read_queries

    info = client.get_index()
    if asking.queries is None:
        raise UsageError("--queries is missing")
    wanted = [count for count in (settings.common.queries, asking.limit) if count]
    asked = read_queries(asking.queries, info, seed, min(wanted, default=0), asking.dialect)
    return Context(
        client, info, asked, settings.common, out, seed, config, asking.as_json, asking.limit, settings.base, asking.dialect
    )


def report(
    results: Annotated[Path, typer.Argument(help="Directory of results that `attridex study` wrote.")],
    out: Annotated[Path | None, typer.Option("--out", help="The page; RESULTS/report.html unless given.")] = None,
) -> None:
    """Make the report of results anew: one HTML page without network, figures as SVG and PNG."""
    from attridex.client.report.page import write_report

    sys.stderr.write(f"{write_report(results, out)}\n")


def show(out: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Tables of results on stdout."""
    from attridex.client.workbench.results import read_result

    for name in names:
        result = read_result(out / name)
        if result is None:
            continue
        if as_json:
            sys.stdout.write(json_line(result.content()) + "\n")
        elif name != "evidence":
            show_tables(result)


def show_tables(result: "StudyResult") -> None:
    """A study's tables for people."""
    from rich.console import Console
    from rich.table import Table

    from attridex.client.workbench.fitness import unlearned

    words = unlearned(result)
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(f"\n[bold]{result.title}[/bold]")
    if words:
        console.print(f"warning: {words}", markup=False, highlight=False)
    for name, rows in result.tables.items():
        if not rows:
            continue
        title = f"{name.replace('_', ' ')}; {words}" if words else name.replace("_", " ")
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        keys = [key for key in rows[0] if key not in ("low", "high")]
        for key in keys:
            table.add_column(key)
        for row in rows:
            table.add_row(*(figure(row) if key == "mean" else cell(row[key]) for key in keys))
        console.print(table)
    for note in result.notes:
        console.print(note, style="dim", markup=False, highlight=False)


def cell(value: Any) -> str:
    """Another value of a row."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def figure(row: Mapping[str, Any]) -> str:
    """A mean with its interval."""
    if row["mean"] is None:
        return "none"
    if row.get("low") is None:
        return f"{row['mean']:.3g}"
    return f"{row['mean']:.3g} ({row['low']:.3g} to {row['high']:.3g})"
