"""The way of the data: what may import what. The rules are one table, `rooms.toml`."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RULES = tomllib.loads((Path(__file__).parent / "rooms.toml").read_text())
ROOMS: dict[str, list[str]] = RULES["rooms"]
LAZILY: dict[str, list[str]] = RULES["lazily"]
FOLDERS = {"client": "client", "indexer": "indexer", "service": "service", "protos/attridex/v1": "v1"}
SOURCES = [
    path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if not path.stem.endswith(("_pb2", "_pb2_grpc"))
]


@dataclass(frozen=True)
class Import:
    """A module that a file imports; `lazily`, where that happens inside a function, or for types alone."""

    module: str
    lazily: bool


def module_of(path: Path) -> str:
    """The dotted name of a source file, without "attridex."."""
    folder = next(folder for folder in FOLDERS if path.is_relative_to(ROOT / folder))
    parts = path.relative_to(ROOT / folder).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(part for part in parts if part != "__init__")])


MODULES = {module_of(path): path for path in SOURCES}


def room_of(module: str) -> str:
    """The room that a module lives in."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Everything that a file imports, wherever it stands."""
    return tuple(walk(ast.parse(path.read_text()), lazily=False))


def walk(node: ast.AST, *, lazily: bool) -> Iterator[Import]:
    """Imports below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, lazily) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield Import(full if full.removeprefix("attridex.") in MODULES else str(child.module), lazily)
        else:
            yield from walk(child, lazily=lazily or puts_off(child))


def puts_off(node: ast.AST) -> bool:
    """Whether what stands below is not run when the file is imported."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def arrows(path: Path) -> Iterator[tuple[str, bool]]:
    """Rooms that a file imports from, other than its own, and whether lazily."""
    own = room_of(module_of(path))
    for found in imports(path):
        name = found.module.removeprefix("attridex.")
        if found.module.startswith("attridex.") and name in MODULES and room_of(name) != own:
            yield room_of(name), found.lazily


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_table_names_every_room() -> None:
    assert sorted(ROOMS) == sorted({room_of(module) for module in MODULES})


def test_the_table_has_no_circle_and_no_arrow_upward() -> None:
    above: set[str] = set()
    for room, below in ROOMS.items():
        assert {*below, *LAZILY.get(room, [])} <= above, f"{room} may import only rooms that stand before it in rooms.toml"
        above.add(room)


@pytest.mark.parametrize("package", RULES["facades"]["packages"])
def test_a_facade_names_what_is_its_own_and_loads_nothing_and_no_other_file_imports_it(package: str) -> None:
    assert list(arrows(MODULES[package])) == [], f"the facade of {package} must not load what it names"
    for target, _ in arrows(MODULES[package].with_suffix(".pyi")):
        assert target.startswith(f"{package}."), f"the facade of {package} names what {target} has"
    for path in SOURCES:
        taken = [found.module for found in imports(path)]
        assert f"attridex.{package}" not in taken, f"{ids(path)} imports from the facade of {package}"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_rooms_import_only_what_the_table_lets_them(path: Path) -> None:
    room = room_of(module_of(path))
    for target, lazily in arrows(path):
        allowed = {*ROOMS[room], *(LAZILY.get(room, []) if lazily else [])}
        assert target in allowed, f"{ids(path)} imports from {target}"


def test_no_circle_of_files() -> None:
    edges = {
        module: {found.module.removeprefix("attridex.") for found in imports(path)} & MODULES.keys() - {module}
        for module, path in MODULES.items()
    }
    TopologicalSorter(edges).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_small_and_says_what_it_is(room: str) -> None:
    files = [module for module in MODULES if room_of(module) == room and module != room]
    assert len(files) <= RULES["limits"]["files"], sorted(files)
    assert len((ast.get_docstring(ast.parse(MODULES[room].read_text())) or "").split(".")) >= 2


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_packages_that_are_heavy_stay_where_they_belong(path: Path) -> None:
    module = module_of(path)
    loaded = {found.module.split(".")[0] for found in imports(path) if not found.lazily}
    for package, rooms in RULES["packages"].items():
        at_home = any(module == room or module.startswith(f"{room}.") for room in rooms)
        assert at_home or package not in loaded, f"{ids(path)} imports {package}, which only {', '.join(rooms)} may"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_modules_are_of_readable_size(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= RULES["limits"]["lines"]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["serve", "--help"]])
def test_the_command_starts_without_what_is_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from attridex.client.commands.app import main
try:
    main({arguments!r})
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = {sorted(RULES["packages"].keys() - {"grpc", "google", "pydantic"})!r}  # typer itself looks for pydantic
heavy = set(heavy) & set(sys.modules)
assert not heavy, heavy
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
