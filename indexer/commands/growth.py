"""The commands by which an index follows its corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attridex.indexer.commands.options import IndexPath, Json, ModelPlace, emit, say
from attridex.indexer.commands.readable import counted

if TYPE_CHECKING:
    from attridex.indexer.growth.appending import Grown

Files = Annotated[
    list[Path], typer.Argument(help="Files of records, in the form that the index was built from.", show_default=False)
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out what cannot be used, and list it.")]


def append(index: IndexPath, files: Files, skip_bad: SkipBad = False, model: ModelPlace = None, as_json: Json = False) -> None:
    """Append new records to an index; only they are signed. What is of all records is stale until `attridex refresh`."""
    from attridex.indexer.growth.appending import append as run

    told(index, run(index, files, skip_bad=skip_bad, model=model), skip_bad=skip_bad, as_json=as_json)


def update(index: IndexPath, files: Files, skip_bad: SkipBad = False, model: ModelPlace = None, as_json: Json = False) -> None:
    """Replace records of an index by changed ones with the same ids; only these are signed."""
    from attridex.indexer.commands.lifecycle import asker
    from attridex.indexer.growth.appending import update as run

    told(index, run(index, files, skip_bad=skip_bad, model=model, by=asker()), skip_bad=skip_bad, as_json=as_json)


def told(index: Path, done: "Grown", *, skip_bad: bool, as_json: bool) -> None:
    """Say what came in.

    Args:
        index: the index directory.
        done: what was done.
        skip_bad: whether it is accepted that something was left out.
        as_json: whether a program reads it.
    """
    from attridex.indexer.errors import NumericError

    if as_json:
        emit({"index": str(index), **done._asdict()})
    else:
        say_done(index, done)
    if done.left_out and not skip_bad:
        raise NumericError(f"{done.left_out} instances left out, not finite; the index holds the rest; --skip-bad accepts that")


def say_done(index: Path, done: "Grown") -> None:
    """The same for people."""
    out = f", {done.left_out} left out" if done.left_out else ""
    replaced = f", {done.replaced} replaced" if done.replaced else ""
    came = counted(done.instances, "instance")
    say(f"{index}: version {done.version}, {came} came in ({done.signed} signed now{replaced}{out})")
    if done.stale:
        say(f"{index}: stale: {', '.join(done.stale)}; `attridex refresh {index}` takes them anew")


def refresh(index: IndexPath, model: ModelPlace = None, as_json: Json = False) -> None:
    """Take anew what is stale: curvatures, neuron statistics, BM25 and structures, of the records that are live."""
    from attridex.indexer.growth.refreshing import refresh as run

    done = run(index, model)
    if as_json:
        emit({"index": str(index), **done._asdict()})
    elif done.refreshed:
        say(f"{index}: version {done.version}, refreshed: {', '.join(done.refreshed)}")
    else:
        say(f"{index}: version {done.version}, nothing is stale")


def add_curvature(
    index: IndexPath,
    kinds: Annotated[list[str], typer.Argument(help="fisher, kfac or ekfac; several may be given.", show_default=False)],
    model: ModelPlace = None,
    as_json: Json = False,
) -> None:
    """Add a curvature to an index, of the records that are live; kfac and ekfac pass over them with the model once."""
    from attridex.indexer.growth.refreshing import add_curvature as run

    done = run(index, kinds, model)
    if as_json:
        emit({"index": str(index), **done._asdict(), "added": kinds})
    else:
        say(f"{index}: version {done.version}, added: {', '.join(kinds)}")
