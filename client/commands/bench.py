"""attridex bench: the benchmarks, which are imported when it runs."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from attridex.client.benchmarks.measure import Figure

Benchmark = Callable[[int], "Iterator[Figure]"]


def benchmarks() -> dict[str, Benchmark]:
    """The benchmarks by name."""
    from attridex.client.benchmarks import building, neurons, search, serving

    return {
        "build-head": building.build_head,
        "build-linear": building.build_linear,
        "build-flat": building.build_flat,
        "neurons": neurons.neuron_scores,
        "ablation": neurons.ablation_sweep,
        "scan": search.scan_vectors,
        "na-instances": search.search_postings,
        "ranked": search.rank_whole,
        "flat": search.search_flat,
        "served": serving.served_queries,
    }


def gpu_benchmarks() -> dict[str, Benchmark]:
    """Those of a GPU."""
    from attridex.client.benchmarks import gpu

    return {"gpu-build": gpu.build, "gpu-neurons": gpu.neurons, "gpu-search": gpu.search}


def bench(
    name: Annotated[str | None, typer.Argument(help="One benchmark; all by default.", show_default=False)] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Paired runs of path and floor; their median counts.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a figure on stdout.")] = False,
) -> None:
    """Measure each path beside what the hardware must do for it, in the same run; exit code 1 if a target is missed.

    Those of a GPU are measured where torch sees one.
    """
    import torch
    from rich.console import Console

    from attridex.indexer.errors import AttridexError, InputError, nearest

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    known, on_gpu = benchmarks(), gpu_benchmarks()
    if name in on_gpu and not torch.cuda.is_available():
        raise InputError(f"{name} needs a GPU, and torch sees none")
    known |= on_gpu if torch.cuda.is_available() else {}
    if name is not None and name not in known:
        raise InputError(f"no benchmark '{name}'; {nearest(name, [*benchmarks(), *on_gpu])}")
    console, found = Console(stderr=True), []
    for each in [name] if name else known:
        with console.status(f"Measuring {each}"):
            for figure in known[each](repeats):
                found.append(figure)
                sys.stdout.write(f"{json.dumps(figure.row()) if as_json else shown_figure(figure)}\n")
                sys.stdout.flush()
    if missed := [figure.name for figure in found if not figure.meets]:
        raise AttridexError(f"{len(missed)} of {len(found)} targets missed: {', '.join(missed)}")


def shown_figure(figure: "Figure") -> str:
    """A figure for people."""
    bound = "at most" if figure.most else "at least"
    return (
        f"{'ok  ' if figure.meets else 'MISS'} {figure.name}: {figure.median:.3g} {figure.unit} "
        f"({figure.least:.3g} to {figure.greatest:.3g}; {bound} {figure.target:g}; floor: {figure.floor})"
    )
