"""The way of the data: what may import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "faiss", "duckdb", "transformers", "pydantic"}
SOURCES = [path for package in ("client", "indexer", "service") for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Modules that a file imports when it is imported."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def within(names: set[str], *packages: str) -> set[str]:
    """Those of the names that lie in the packages."""
    return {name for name in names for package in packages if name == package or name.startswith(f"{package}.")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers_import_only_downwards(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    forbidden = {
        "client": ("attridex.indexer", "attridex.service", *HEAVY),
        "indexer": ("attridex.service", "attridex.client"),
        "service": ("attridex.client", "torch"),
    }[package]
    assert within(imports(path), *forbidden) == set()


def test_only_the_edge_knows_grpc() -> None:
    edge = {
        "convert",
        "convert_answers",
        "convert_filters",
        "servicer",
        "status",
        "interceptors",
        "inprocess",
        "admin",
        "security",
        "server",
    }
    for path in (ROOT / "service").glob("*.py"):
        if path.stem not in edge:
            assert within(imports(path), "grpc", "attridex.v1", "google") == set(), path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["serve", "--help"]])
def test_the_command_starts_without_what_is_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from attridex.client.cli import main
try:
    main({arguments!r})
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = {sorted(HEAVY - {"pydantic"})!r}  # typer itself looks for pydantic
heavy = set(heavy) & set(sys.modules)
assert not heavy, heavy
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_of_readable_size(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
