"""The command `delete`: instances by id or by a condition."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attridex.client.commands.options import Where

if TYPE_CHECKING:
    from attridex.indexer.index.records import Manifest

Ids = Annotated[str | None, typer.Option("--ids", help="Ids, comma separated; @FILE reads one a line.", show_default=False)]


def delete(
    index: Annotated[Path, typer.Argument(help="Index directory.", show_default=False)],
    ids: Ids = None,
    where: Where = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout; progress and messages stay on stderr.")] = False,
) -> None:
    """Delete instances, in every version; an id of a document or of a record covers all of its parts.

    Nothing brings them back but `attridex undelete`; their text leaves the disk with `attridex compact`.
    """
    from attridex.indexer.commands.lifecycle import asker, given_ids, told
    from attridex.indexer.errors import InputError
    from attridex.indexer.lifecycle.deleting import delete_ids, delete_where

    if (ids is None) == (where is None):
        raise InputError("delete: give either --ids or --where")
    if ids is not None:
        done = delete_ids(index, given_ids(ids), by=asker())
    else:
        done = delete_where(index, rows_where(where or ""), by=asker())
    told(index, "deleted", *done, as_json=as_json)


def rows_where(text: str) -> Callable[[Path, "Manifest"], list[int]]:
    """What looks up the rows of a version that a filter string holds for; it is parsed before the index is opened."""
    from attridex.client.filters import parse_filter

    condition = parse_filter(text)

    def rows(index: Path, manifest: "Manifest") -> list[int]:
        from attridex.indexer.lifecycle.deleting import selected_rows
        from attridex.service.search.planner import compile_filter

        return selected_rows(index, manifest, *compile_filter(condition, manifest))

    return rows
