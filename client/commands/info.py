"""attridex info: what an index holds, how it was made, and by which methods it can answer."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from attridex.v1.answers import Method

IndexPath = Annotated[Path, typer.Argument(help="Index directory, or URL.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout; progress and messages stay on stderr.")]


def info(index: IndexPath, as_json: Json = False) -> None:
    """What an index holds and how it was made."""
    from attridex.indexer.commands.info import show_info
    from attridex.service.methods.registry import describe

    def methods(manifest: Any) -> dict[str, list[Any]]:
        found = describe(manifest)
        if as_json:
            return {"methods": list(map(asdict, found))}
        lacking = [f"{each.name} ({each.missing})" for each in found if each.missing]
        able = {"methods": [in_short(each) for each in found if not each.missing]}
        return {**able, "not built for": lacking} if lacking else able

    show_info(index, methods, as_json=as_json)


def in_short(method: Method) -> str:
    """A method with its settings, for people."""
    settings = ", ".join(setting.name for setting in method.settings)
    return f"{method.name} ({settings})" if settings else method.name
