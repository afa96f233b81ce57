"""Commands on a URL: an index in object storage is made a directory for one command, and what that changes is published."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any

import typer

READ: Mapping[str, str] = {
    "info": "index", "neurons": "index", "show": "place", "snapshot": "index", "verify": "index", "versions": "index",
}  # fmt: skip
"""Commands that read an index, and the argument that names it; those that ask open it as a server does (`open_index`)."""
CHANGE: Mapping[str, str] = {
    "activate": "place", "add-columns": "index", "add-curvature": "index", "append": "index", "build": "out", "compact": "index",
    "delete": "index", "migrate": "index", "prune": "index", "refresh": "index", "repair": "index", "restore": "index",
    "undelete": "index", "update": "index",
}  # fmt: skip
"""Commands that change an index, likewise."""
DROP = ("compact", "prune")
"""After which nothing stays in the store that the index does not name."""


def with_urls(app: typer.Typer) -> None:
    """Let the commands of an app take a URL where they take an index directory."""
    for command in app.registered_commands:
        if command.callback is None:
            continue
        name = command.name or command.callback.__name__
        if argument := {**READ, **CHANGE}.get(name):
            command.callback = at_url(command.callback, name, argument)


def at_url(run: Callable[..., None], command: str, argument: str) -> Callable[..., None]:
    """A command that may be given a URL.

    Args:
        run: the command on a directory.
        command: its name.
        argument: of it that names the index: a place, or the first of several.
    """

    @wraps(run)
    def wrapped(**given: Any) -> None:
        from attridex.indexer.remote.urls import url_of

        value = given[argument]
        first, *others = value if isinstance(value, list) else [value]
        url = None if first is None else url_of(first)
        if url is None:
            run(**given)
            return
        with directory_of(url, command) as directory:
            run(**{**given, argument: [str(directory), *others] if isinstance(value, list) else directory})

    return wrapped


def directory_of(url: str, command: str) -> AbstractContextManager[Path]:
    """What gives the directory that stands for a URL while a command runs."""
    from attridex.indexer.remote.changing import changing
    from attridex.indexer.remote.reading import reading

    if command in READ:
        return reading(url, trust_cache=command != "verify", show_progress=True)
    return changing(url, drops=command in DROP, mends=command == "repair", show_progress=True)
