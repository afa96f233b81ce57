"""The command `add-columns`: further metadata for the instances of an index."""

from pathlib import Path
from typing import Annotated

import typer

from attridex.indexer.commands.options import IndexPath, Json, emit, say


def add_columns(
    index: IndexPath,
    file: Annotated[Path, typer.Argument(help="Records with an id (JSONL, JSON, CSV, TSV, Parquet).", show_default=False)],
    identity: Annotated[
        str | None, typer.Option("--id", help="Its column of ids; that of the corpus unless given.", show_default=False)
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Those that are added, comma separated; all unless given.", show_default=False)
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Ids of no instance are left out, instances without a record get no values.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Columns that were added before may be replaced.")] = False,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="Of CSV and TSV.", show_default=False)] = None,
    quoting: Annotated[str | None, typer.Option("--quoting", help="Of CSV and TSV: minimal or none.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Add metadata columns to the instances of an index, joined by id, for filters and fields; nothing is signed."""
    from attridex.indexer.readers.table_files import Dialect
    from attridex.indexer.renewal.adding import add_columns as run
    from attridex.indexer.renewal.joining import Wanted

    names = None if columns is None else [name.strip() for name in columns.split(",")]
    done = run(index, Wanted(file, identity, names, partial, replace, Dialect(delimiter, quoting)))
    if as_json:
        emit({"index": str(index), **done._asdict()})
        return
    kinds = ", ".join(f"{name} ({kind})" for name, kind in done.columns.items())
    say(f"{index}: version {done.version}, {kinds} for {done.instances} instances")
    if done.unknown or done.without:
        say(f"{index}: {done.unknown} ids were of no instance, {done.without} instances got no values")
