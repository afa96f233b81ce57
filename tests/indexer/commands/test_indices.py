"""The indexer's commands, put together."""

import typer

from attridex.indexer.commands.indices import register


def info() -> None:
    """Stands for the client's command."""


def test_commands_are_added_in_the_order_of_the_help() -> None:
    app = typer.Typer()
    register(app, info)
    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    assert names == [
        "build",
        "plan",
        "show",
        "info",
        "append",
        "update",
        "refresh",
        "add_columns",
        "add_curvature",
        "snapshot",
        "restore",
        "neurons",
        "finetune",
    ]
