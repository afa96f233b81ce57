"""The command `build`: an index from a model and its training data, or what that would take."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attridex.indexer.commands.facts import fit_lines, size_of, summary
from attridex.indexer.commands.options import ConfigPath, Json, ModelPlace, emit, say, show_facts
from attridex.indexer.commands.readable import human_size, human_time

if TYPE_CHECKING:
    from attridex.indexer.building.forecast import Forecast
    from attridex.indexer.config import Config
    from attridex.indexer.index.records import Manifest

NAMED = 10
"""Instances that are left out are named up to this many."""


def build(
    config: ConfigPath,
    out: Annotated[
        Path, typer.Option("--out", help="Index directory or URL; a build that was cut short goes on there.", show_default=False)
    ],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what cannot be used (no label, empty, not finite), and list it.")
    ] = False,
    dry: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say rows, tokens, disk, memory and time, after a pilot of seconds; write nothing."),
    ] = False,
    model: ModelPlace = None,
    engine: Annotated[
        Literal["local", "ray"] | None,
        typer.Option(help="Who builds: this machine, or actors of a Ray cluster; else what `engine.kind` says."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that build, each with a model of its own.")] = None,
    address: Annotated[str | None, typer.Option(help="Ray's cluster: `auto`, or HOST:PORT.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Build an index from a model and its training data; run again to resume."""
    from attridex.indexer.config import load_config
    from attridex.indexer.errors import NumericError
    from attridex.indexer.lifecycle.moved_model import with_model

    loaded = with_model(load_config(config).skipping(skip_bad), model)  # before what is slow to import: a typo is said at once
    loaded = loaded.model_copy(update={"engine": loaded.engine.by(kind=engine, workers=workers, address=address)})
    if dry:
        forecast_build(loaded, out, as_json=as_json)
        return
    if loaded.scores_by_gradient:
        say(
            f'neurons: scored by one backward pass (rule = "gradient"), the default of corpus.{loaded.corpus.form}; integrated '
            "gradients at every token take hundreds of times as long"
        )
    from attridex.indexer.lifecycle.liveness import current_manifest
    from attridex.indexer.renewal.building import build as run

    built = run(loaded, out, show_progress=True)
    manifest = built.manifest
    for line in fit_lines(manifest.fit, out):
        say(line)
    if as_json:
        emit({**summary(current_manifest(out), out), "signed": built.signed, "bytes": size_of(out)})
    else:
        cut = f", {manifest.truncated} truncated" if manifest.truncated else ""
        now = current_manifest(out)
        say(
            f"{out}: version {manifest.version}, {now.instances - now.deleted} instances "
            f"({built.signed} indexed now{cut}), {human_size(size_of(out))}"
        )
    for line in left_out(manifest):
        say(line)
    if manifest.bad and not loaded.corpus.skip_bad:
        first = manifest.bad[0]
        raise NumericError(
            f"{len(manifest.bad)} instances left out, the first is '{first.id}' ({first.reason}); "
            "the index holds the rest; --skip-bad accepts that"
        )


def left_out(manifest: "Manifest") -> Iterator[str]:
    """Lines that name the first instances that are not in an index, and why."""
    for entry in manifest.bad[:NAMED]:
        yield f"left out: {entry.id} ({entry.reason})"
    if len(manifest.bad) > NAMED:
        yield f"left out: {len(manifest.bad) - NAMED} more; `bad` in manifest.json names all"


def forecast_build(loaded: "Config", out: Path, *, as_json: bool) -> None:
    """Say what a build would take.

    Args:
        loaded: its configuration.
        out: the index directory.
        as_json: whether a program reads it.
    """
    from attridex.indexer.building.dry_run import dry_run

    found = dry_run(loaded, out)
    if as_json:
        emit(asdict(found))
    else:
        show_facts(forecast_facts(found, out))
    if not loaded.engine.alone:
        say("forecast of one process; each worker takes the memory of `model`, `pass` and `range`, and its part of the time")
    for line in fit_lines(found.fit, out):
        say(line)


def forecast_facts(found: "Forecast", out: Path) -> dict[str, str]:
    """A forecast for people."""
    memory, times = found.memory, found.seconds
    vectors = ", ".join(f"{name} {human_size(size)}" for name, size in found.vectors.items())
    parts = ", ".join(f"{name} {human_size(memory[name])}" for name in ("model", "pass", "range", "process") if memory[name])
    peaks = {"peak memory": memory["host"], "peak GPU memory": memory["device"]}
    unusable = f", {found.left_out:,} records left out" if found.left_out else ""
    return {
        "instances": f"{found.instances:,} in {found.shards} shards, {found.truncated:,} truncated{unusable}",
        "indexed already": f"{found.there:,}",
        "tokens": f"{found.tokens:,}",
        "disk": f"{human_size(found.disk)}, of which vectors: {vectors}",
        **{name: f"{human_size(size)} in use" for name, size in peaks.items() if size},
        "memory of": parts,
        "time": ", ".join(f"{name} {human_time(value)}" for name, value in times.items()),
        **({'neurons by rule = "gradient"': human_time(found.fast_neurons)} if found.fast_neurons else {}),
        **({"CUDA graphs": f"not used for {found.unreplayed}"} if found.unreplayed else {}),
        "pilot": f"{found.pilot:,} instances tried; nothing written to {out}",
    }
