"""The commands that make and inspect an index, put together."""

import typer


def register(app: typer.Typer) -> None:
    """Add the indexer's commands to an app."""
    from attridex.indexer.commands.build import build
    from attridex.indexer.commands.finetune import finetune
    from attridex.indexer.commands.info import info, versions
    from attridex.indexer.commands.neurons import neurons
    from attridex.indexer.commands.verify import verify

    for command in (build, info, verify, versions, neurons, finetune):
        app.command()(command)
