"""The commands that make and inspect an index, put together."""

from collections.abc import Callable

import typer


def register(app: typer.Typer, info: Callable[..., None]) -> None:
    """Add the indexer's commands to an app; `info` comes from who knows what an index can answer, too."""
    from attridex.indexer.commands.build import build
    from attridex.indexer.commands.columns import add_columns
    from attridex.indexer.commands.finetune import finetune
    from attridex.indexer.commands.growth import add_curvature, append, refresh, update
    from attridex.indexer.commands.neurons import neurons
    from attridex.indexer.commands.plan import plan
    from attridex.indexer.commands.show import show
    from attridex.indexer.commands.snapshot import restore, snapshot

    growing = (append, update, refresh, add_columns, add_curvature)
    for command in (build, plan, show, info, *growing, snapshot, restore, neurons, finetune):
        app.command(command.__name__.replace("_", "-"))(command)
