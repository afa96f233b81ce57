"""What workers cost: an instance of a build by two of them, beside one of one process with two threads, in turns.

Two sizes of a corpus are built by each; the difference of their times is that of the instances between them, without the start of
processes, of a Ray cluster on this machine, and of the model.
"""

import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import ray
import typer

from attridex.client.benchmarks.scene import SMALL, configuration, scene, texts
from attridex.indexer.building.build import build

ENGINES: dict[str, dict[str, object]] = {
    "alone": {"threads": 2},
    "processes": {"workers": 2, "threads": 1},
    "ray": {"kind": "ray", "workers": 2, "threads": 1},
}


def seconds(place: Path, lines: list[str], engine: dict[str, object]) -> float:
    """How long a build of some records takes."""
    (place / "train.jsonl").write_text("".join(lines))
    config = configuration(place, engine=engine, index={"shard_rows": 50}, neurons={"rule": "gradient"})
    with TemporaryDirectory(dir=place) as index:
        began = time.perf_counter()
        build(config, Path(index) / "index", show_progress=False)
        return time.perf_counter() - began


def run(
    out: Annotated[Path, typer.Argument(help="JSON file with the figures.")],
    instances: Annotated[int, typer.Option(help="Of the smaller corpus; the other has four times as many.")] = 200,
    repeats: Annotated[int, typer.Option(help="Builds of each.")] = 3,
) -> None:
    """Measure, and write what was found."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
    more = 3 * instances
    with scene(SMALL, texts(instances + more, 10, 20)) as place:
        lines = (place / "train.jsonl").read_text().splitlines(keepends=True)
        taken: dict[str, list[float]] = {name: [] for name in ENGINES}
        for _ in range(repeats):
            for name, engine in ENGINES.items():
                few = seconds(place, lines[:instances], engine)
                taken[name].append((seconds(place, lines, engine) - few) / more)
    each = {name: statistics.median(values) for name, values in taken.items()}
    over = {f"{name}_over_alone": value / each["alone"] for name, value in each.items() if name != "alone"}
    figures = {"instances": more, "repeats": repeats, "seconds_an_instance": each, **over}
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(figures))
    ray.shutdown()
