"""Docstrings say what a caller must know."""

from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest
import typer

from attridex.client.commands.app import make_app
from tests.test_architecture import SOURCES, ids, module_of

MANY = 4
"""Parameters from which on each is described."""


def command_names() -> set[str]:
    """Functions that are commands: their help describes what they take."""

    def inside(app: typer.Typer) -> Iterator[typer.models.CommandInfo | typer.models.TyperInfo]:
        yield from app.registered_commands
        for group in app.registered_groups:
            yield from inside(group.typer_instance) if group.typer_instance else ()

    app = make_app()
    callbacks = [each.callback for each in (*inside(app), app.registered_callback) if each and each.callback]
    return {f"{callback.__module__}.{callback.__name__}" for callback in callbacks}


COMMANDS = command_names()


def public_functions(owner: griffe.Object | griffe.Alias) -> Iterator[griffe.Function]:
    """Functions of a module and methods of its classes that others may call, `__init__` among them."""
    for member in owner.members.values():
        if not member.name.startswith("_") or member.name == "__init__":
            if isinstance(member, griffe.Function):
                yield member
            elif isinstance(member, griffe.Class):
                yield from public_functions(member)


def undescribed(function: griffe.Function) -> list[str]:
    """Parameters that are not in the docstring's Args, where there are many."""
    names = [each.name for each in function.parameters if each.name not in ("self", "cls")]
    sections = function.docstring.parse("google", warnings=False) if function.docstring else []
    described = {each.name for part in sections if part.kind.value == "parameters" for each in part.value}
    return [name for name in names if name not in described] if len(names) >= MANY else []


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_a_public_function_describes_many_parameters(path: Path) -> None:
    module = griffe.visit(f"attridex.{module_of(path)}", path, path.read_text())
    found = {function.path: undescribed(function) for function in public_functions(module) if function.path not in COMMANDS}
    assert {path: left for path, left in found.items() if left} == {}
