"""What the indexer's commands share: arguments, and lines for people and programs."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout; progress and messages stay on stderr.")]
IndexPath = Annotated[Path, typer.Argument(help="Index directory.", show_default=False)]
ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (TOML).", show_default=False)]


def say(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{text}\n")


def emit(data: Any) -> None:
    """A JSON line on stdout."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
