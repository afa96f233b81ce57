"""The README names what there is."""

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from attridex.client.studies.run import configs
from attridex.client.workbench.settings import Common, load_settings
from attridex.indexer.config import Config, parse_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
HELP = [sys.executable, "-c", "from attridex.client.commands.app import main; main()", "--help"]


def test_every_command_stands_in_the_readme() -> None:
    shown = subprocess.run(HELP, capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^│ (\w[\w-]*)  ", shown, re.MULTILINE)
    assert {"build", "serve", "query", "predict", "demo", "verify"} <= set(commands)
    assert [name for name in commands if f"attridex {name}" not in README and f"make {name}" not in README] == []


def test_every_linked_file_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


RECIPES = sorted((ROOT / "tests/recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recipe_is_valid(path: Path) -> None:
    if path.stem == "study":
        load_settings(path, configs())
    else:
        parse_config(tomllib.loads(path.read_text()), path.name, path.parent)


@pytest.mark.parametrize("section", Config.model_fields)
def test_every_key_of_the_configuration_stands_in_the_readme(section: str) -> None:
    kind = Config.model_fields[section].annotation
    kind = next((each for each in getattr(kind, "__args__", ()) if each is not type(None)), kind)
    line = next(line for line in README.splitlines() if line.startswith(f"| `{section}` |"))
    assert [name for name in kind.model_fields if f"`{name}`" not in line] == []  # type: ignore[union-attr]


@pytest.mark.parametrize("table", ["top", *configs()])
def test_every_key_of_the_studies_stands_in_the_readme_with_its_default(table: str) -> None:
    part = README[README.index("| table | keys (defaults) |") :]
    line = next(line for line in part.splitlines() if line.startswith((f"| `{table}` |", f"| {table} |")))
    kind = {"top": Common, **configs()}[table]
    assert [each.name for each in fields(kind) if f"`{each.name}`" not in line] == []
    numbers = [each.default for each in fields(kind) if type(each.default) in (int, float)]
    assert [number for number in numbers if f"({number}" not in line] == []


def test_the_readme_configuration_is_valid() -> None:
    found = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert found
    for text in found:
        parse_config(tomllib.loads(text), "README.md", ROOT)
