"""What the indexer's commands share: arguments, and lines for people and programs."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from attridex.indexer.remote.named import with_urls

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout; progress and messages stay on stderr.")]
IndexPath = Annotated[Path, typer.Argument(help="Index directory, or URL.", show_default=False)]
ModelPlace = Annotated[
    str | None, typer.Option("--model", help="Where the index's model lies now, if not where it was.", show_default=False)
]
ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (TOML).", show_default=False)]


def say(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{with_urls(text)}\n")


def emit(data: Any) -> None:
    """A JSON line on stdout."""
    from attridex.indexer.files import json_line

    sys.stdout.write(with_urls(json_line(data)) + "\n")


def show_facts(facts: Mapping[str, str]) -> None:
    """A table of names and values on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)


def show_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """A table with a line for each row on stdout; all rows have the same columns, and nothing is cut, however narrow it is."""
    from rich.console import Console
    from rich.table import Table

    names, cells = list[str](), list[list[str]]()
    for row in rows:
        names = list(row)
        cells.append([f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()])
    names = [name.replace("_", " ") for name in names]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    table = Table(*names, box=None, pad_edge=False)
    for line in cells:
        table.add_row(*line)
    console = Console()
    console.width = max(console.width, sum(widths) + 2 * len(widths))
    if cells:
        console.print(table)
