"""Commands that make and inspect an index: build, info, verify, versions, neurons, finetune."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attridex.indexer.commands.options import ConfigPath, IndexPath, Json, emit, say

if TYPE_CHECKING:
    from attridex.indexer.index.layout import Manifest


def register(app: typer.Typer, info: Callable[..., None]) -> None:
    """Add the indexer's commands to an app; `info` comes from who knows what an index can answer, too."""
    from attridex.indexer.commands.neurons import neurons

    for command in (build, info, verify, versions, neurons, finetune):
        app.command()(command)


def build(
    config: ConfigPath,
    out: Annotated[
        Path, typer.Option("--out", help="Index directory; a build that was cut short goes on there.", show_default=False)
    ],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Succeed even if instances were left out as not finite.")] = False,
    dry: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say rows, tokens, disk, memory and time, after a pilot of seconds; write nothing."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Build an index from a model and its training data; run again to resume."""
    if dry:
        forecast(config, out, as_json)
        return
    from attridex.indexer.config import load_config
    from attridex.indexer.errors import NumericError

    loaded = load_config(config)  # before what is slow to import: a typo is said at once
    from attridex.indexer.building.build import build as run

    built = run(loaded, out, show_progress=True)
    manifest = built.manifest
    if as_json:
        emit({**summary(manifest), "signed": built.signed, "bytes": size_of(out)})
    else:
        cut = f", {manifest.truncated} truncated" if manifest.truncated else ""
        say(
            f"{out}: version {manifest.version}, {manifest.instances} instances "
            f"({built.signed} indexed now{cut}), {human(size_of(out))}"
        )
    if manifest.bad and not skip_bad:
        first = manifest.bad[0]
        raise NumericError(
            f"{len(manifest.bad)} instances left out, the first is '{first['id']}' ({first['reason']}); "
            "the index holds the rest; --skip-bad accepts that"
        )


def forecast(config: Path, out: Path, as_json: bool) -> None:
    """Say what a build would take."""
    from rich.console import Console
    from rich.table import Table

    from attridex.indexer.config import load_config

    loaded = load_config(config)
    from attridex.indexer.building.dry_run import dry_run

    found = dry_run(loaded, out)
    if as_json:
        emit(found.facts())
        return
    vectors = ", ".join(f"{name} {human(size)}" for name, size in found.vectors.items())
    parts = [name for name in ("model", "pass", "range", "process") if found.memory[name]]
    peaks = {"peak memory": found.memory["host"], "peak GPU memory": found.memory["device"]}
    table = Table(show_header=False, box=None)
    for key, value in {
        "instances": f"{found.instances:,} in {found.shards} shards, {found.truncated:,} truncated",
        "indexed already": f"{found.there:,}",
        "tokens": f"{found.tokens:,}",
        "disk": f"{human(found.disk)}, of which vectors: {vectors}",
        **{key: f"{human(size)} in use" for key, size in peaks.items() if size},
        "memory of": ", ".join(f"{name} {human(found.memory[name])}" for name in parts),
        "time": ", ".join(f"{name} {lasting(value)}" for name, value in found.seconds.items()),
        "pilot": f"{found.pilot:,} instances tried; nothing written to {out}",
    }.items():
        table.add_row(key, value)
    Console().print(table)


def lasting(seconds: float) -> str:
    """A time with its unit."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def show_info(index: Path, as_json: bool, more: Callable[["Manifest"], dict[str, Any]]) -> None:
    """Show what an index holds and how it was made; `more` gives further facts of its manifest."""
    from rich.console import Console
    from rich.table import Table

    from attridex.indexer.index.layout import read_current, read_manifest

    manifest = read_manifest(index, read_current(index))
    facts = {**summary(manifest), "bytes": size_of(index), **more(manifest)}
    if as_json:
        emit({**facts, "manifest": manifest.model_dump(mode="json")})
        return
    table = Table(show_header=False, box=None)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), human(value) if key == "bytes" else shown(value))
    Console().print(table)


def verify(index: IndexPath, as_json: Json = False) -> None:
    """Check every file of an index against what was written; exit code 1 if any differs."""
    from attridex.indexer.errors import DamageError
    from attridex.indexer.index.verify import verify as check

    files, problems = 0, []
    for path, problem in check(index):
        files += 1
        if problem:
            problems.append({"file": str(path), "problem": problem})
            say(f"error: {problem}")
    if as_json:
        emit({"index": str(index), "files": files, "problems": problems})
    if problems:
        raise DamageError(f"{index}: {len(problems)} of {files} files are not what was written")
    if not as_json:
        say(f"{index}: {files} files, all as they were written")


def versions(index: IndexPath, as_json: Json = False) -> None:
    """The versions of an index on disk; the current one is marked."""
    from attridex.indexer.index.layout import list_versions, read_current, read_manifest

    current = read_current(index)
    for number in list_versions(index):
        manifest = read_manifest(index, number)
        row = {
            "version": number,
            "current": number == current,
            "instances": manifest.instances - manifest.deleted,
            "created": manifest.created,
        }
        if as_json:
            emit(row)
        else:
            mark = "*" if row["current"] else " "
            sys.stdout.write(f"{mark} {number}  {row['instances']} instances  {row['created']}\n")


def finetune(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", help="Directory for the fine-tuned model.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Fine-tune a model on a configuration's corpus (its training section), rendered as the index renders it."""
    from attridex.indexer.config import load_config

    loaded = load_config(config)
    from attridex.indexer.training.finetuning import finetune as run

    figures = run(loaded, out)
    kept = [str(path) for path in sorted(out.glob("checkpoint-*"))]
    if as_json:
        emit({"model": str(out), **figures, "checkpoints": kept})
        return
    scores = ", ".join(f"{name} {value:.1%}" for name, value in figures["accuracy"].items())
    say(f"{out}: {figures['instances']} instances, {figures['steps']} steps, loss {figures['train_loss']:.3f}")
    if scores:
        say(f"accuracy: {scores}")
    if kept:
        say(f"model.checkpoints for TracIn: {', '.join(kept)}")


def summary(manifest: "Manifest") -> dict[str, Any]:
    """The facts of a version that people ask for first."""
    gradients = manifest.config["gradients"]
    return {
        "version": manifest.version,
        "created": manifest.created,
        "task": manifest.task,
        "instances": manifest.instances - manifest.deleted,
        "deleted": manifest.deleted,
        "truncated": manifest.truncated,
        "left_out": len(manifest.bad),
        "model": manifest.model.path,
        **({"adapter": manifest.config["model"]["adapter"]} if manifest.config["model"].get("adapter") else {}),
        "family": manifest.model.family,
        "labels": manifest.model.labels,
        "neurons": f"{manifest.model.layers} layers x {manifest.model.units} units" if manifest.neurons else "none",
        "parameters": gradients["parameters"],
        "gradient_dim": manifest.gradient_dim,
        "precision": manifest.precision,
        "label": manifest.label,
        "curvatures": manifest.curvatures,
        "recall": [f"{name} {value:.3f}" for name, value in manifest.recall.items()],
        "columns": [name for name, _ in manifest.columns],
    }


def size_of(index: Path) -> int:
    """Bytes of an index on disk; a file that several versions link counts once."""
    stats = [path.stat() for path in index.rglob("*") if path.is_file()]
    return sum({stat.st_ino: stat.st_size for stat in stats}.values())


def human(size: int) -> str:
    """A size with its unit."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


def shown(value: Any) -> str:
    """A fact as text."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
