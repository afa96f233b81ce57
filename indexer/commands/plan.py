"""The command `plan`: what an index of another size would take."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attridex.indexer.commands.options import ConfigPath, Json, ModelPlace, emit, say, show_rows
from attridex.indexer.commands.readable import human_size, human_time

if TYPE_CHECKING:
    from attridex.indexer.building.capacity import Capacity, Means

NOWHERE = Path("no-index")
"""A directory of an index that is not there."""


def whole(text: str) -> int:
    """A number of instances, as 1000000, 1,000,000 or 1e6."""
    try:
        number = float(text.replace(",", ""))
        found = int(number)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"'{text}' is no number of instances, such as 1000000 or 1e6") from None
    if found != number or found < 1:
        raise typer.BadParameter(f"'{text}' is no number of instances, such as 1000000 or 1e6")
    return found


def plan(
    config: ConfigPath,
    instances: Annotated[
        list[str],
        typer.Option("--instances", help="Of the whole corpus, as 1e6; give several side by side.", show_default=False),
    ],
    memory: Annotated[str, typer.Option(help="Of a machine that serves.")] = "64GiB",
    hours: Annotated[float, typer.Option(min=0.01, help="That a build may take.")] = 24.0,
    speed: Annotated[float, typer.Option(min=0.001, help="Of a worker, in this machine's: 40 is forty times as fast.")] = 1.0,
    price: Annotated[float, typer.Option(min=0.0, help="Of a GiB of storage a month.")] = 0.023,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what cannot be used.")] = False,
    model: ModelPlace = None,
    as_json: Json = False,
) -> None:
    """Say what an index of more instances would take; the configuration's corpus is a sample of them. Nothing is written."""
    sizes = [whole(text) for text in instances]
    from attridex.indexer.config import load_config
    from attridex.indexer.held.memory import parse_size
    from attridex.indexer.lifecycle.moved_model import with_model

    bytes_each = parse_size(memory, "--memory")
    loaded = with_model(load_config(config).skipping(skip_bad), model)
    from attridex.indexer.building.capacity import Means, capacity, reading_speed
    from attridex.indexer.building.dry_run import tried

    means = Means(bytes_each, hours, speed, price)
    found = tried(loaded, NOWHERE)
    reading = reading_speed()
    reckoned = [capacity(found, number, means, reading) for number in sizes]
    sample = found.build.plan.survey
    if as_json:
        measured = {"instances": sample.instances, "tokens": sample.tokens, "signed": found.pilot.rows, "bytes_a_second": reading}
        device = str(found.build.signer.loaded.device)
        emit({"measured": {**measured, "device": device}, "means": asdict(means), "sizes": [asdict(each) for each in reckoned]})
        return
    columns = [facts(each, means) for each in reckoned]
    show_rows([{"instances": name, **{column["instances"]: column[name] for column in columns}} for name in columns[0]][1:])
    say(
        f"of {sample.instances:,} instances, {found.pilot.rows:,} signed on this machine's {found.build.signer.loaded.device}; "
        f"memory is read at {reading / 1e9:.1f} GB/s"
    )


def facts(found: "Capacity", means: "Means") -> Mapping[str, Any]:
    """What a size takes, for people."""
    parallel = f"{found.workers:,} for {means.hours:g} h" if found.workers > 1 else "1"
    return {
        "instances": f"{found.instances:,}",
        "tokens": f"{found.tokens:,}",
        "indices": f"{found.indices}",
        "disk": human_size(found.disk),
        **{f"  {name}": human_size(number) for name, number in found.vectors.items()},
        "  look-ups": human_size(found.lookups),
        "  catalog and tables": human_size(found.others),
        "storage a month": f"{found.storage_price:,.2f}",
        "build, one worker": human_time(found.build_hours * 3600),
        "workers": parallel,
        **{f"  memory of each, {name}": human_size(number) for name, number in found.worker_memory.items()},
        f"machines of {human_size(means.memory)} to serve": f"{found.serving_machines:,}",
        **{f"  exact query, {name}": f"{value:.3g} s" for name, value in found.scan_seconds.items()},
    }
