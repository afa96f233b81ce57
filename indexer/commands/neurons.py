"""The command `neurons`: which neurons an index's instances keep, most often or most of all for a label."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attridex.indexer.commands.options import IndexPath, Json, emit, say, show_rows

if TYPE_CHECKING:
    from attridex.indexer.index.records import Manifest


def neurons(
    index: IndexPath,
    label: Annotated[
        str | None, typer.Option("--label", help="Order by lift for this label: P(kept | label) / P(kept).", show_default=False)
    ] = None,
    predicted: Annotated[bool, typer.Option("--predicted", help="The label is the model's own, not the corpus's.")] = False,
    layer: Annotated[int | None, typer.Option("--layer", help="Only this layer, counted from 0.", show_default=False)] = None,
    expert: Annotated[
        int | None, typer.Option("--expert", help="Only this expert of a mixture of experts, counted from 0.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many neurons.")] = 20,
    min_kept: Annotated[
        int, typer.Option("--min-kept", min=1, help="With --label: leave out neurons that fewer instances keep.")
    ] = 10,
    as_json: Json = False,
) -> None:
    """The neurons that most instances keep, or that stand out for a label."""
    from attridex.indexer.index.directory import read_current, read_manifest
    from attridex.indexer.index.neuron_statistics import most_kept, most_lifted

    manifest = read_manifest(index, read_current(index))
    if label is None:
        rows = most_kept(index, manifest, layer=layer, top=top, expert=expert)
    else:
        kind = "predicted" if predicted else "label"
        rows = most_lifted(index, manifest, label, kind=kind, least=min_kept, layer=layer, top=top, expert=expert)
    if as_json:
        for row in rows:
            emit(row)
    elif rows:
        show_rows(rows)
    if not rows:
        say(f"{index}: no neuron is kept that often" + (f"; lower --min-kept {min_kept}" if label else ""))
    if told := stale_words(index, manifest):
        say(f"{index}: stale: {told}; `attridex refresh {index}` counts anew")


def stale_words(index: Path, manifest: "Manifest") -> str:
    """Of which instances the neurons were counted, where those are not the live ones; else nothing."""
    from attridex.indexer.index.directory import read_deletes
    from attridex.indexer.index.records import OF_NEURONS
    from attridex.indexer.lifecycle.counted import rows_of
    from attridex.indexer.lifecycle.liveness import read_deleted

    counted = set(rows_of(index, manifest, manifest.basis(OF_NEURONS), read_deletes(index)).nonzero()[0].tolist())
    live = set(range(manifest.instances)) - read_deleted(index, manifest.version)
    if counted == live:
        return ""
    gone, lacking = len(counted - live), len(live - counted)
    return f"counted over {len(counted)} instances, {gone} of which are deleted, and not over {lacking} that are live"
