"""README and docs name what there is, and everything there is; what is made from the sources is current."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from attridex.client.studies.registry import studies
from attridex.client.workbench.settings import Common, load_settings
from attridex.indexer.config import Config, parse_config
from docs.tools import tables
from docs.tools.picture import picture

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in [*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md"))]}
TEXT = "\n".join(PAGES.values())
KINDS = {name: study.settings for name, study in studies().items()}
ATTRIDEX = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every code block in a language."""
    return [
        (page, text) for page, content in PAGES.items() for text in re.findall(rf"```{language}\n(.*?)```", content, re.DOTALL)
    ]


def commands(*group: str) -> list[str]:
    """Names of the commands that help lists."""
    shown = subprocess.run([*ATTRIDEX, *group, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^│ (\w[\w-]*)  ", shown.partition("Commands")[2], re.MULTILINE)


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Every command, those of a group with the group's name before them."""
    return {*commands(), *(f"query {name}" for name in commands("query"))}


def test_every_command_is_shown(known: set[str]) -> None:
    assert {"build", "serve", "query ia", "predict", "demo", "verify"} <= known
    assert [name for name in known if f"attridex {name}" not in TEXT and f"make {name}" not in TEXT] == []


def test_every_command_that_is_shown_is_there(known: set[str]) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page, text in blocks("console"):
        for words in (line[2:].split() for line in text.splitlines() if line.startswith("$ ")):
            name = " ".join(words[1:3] if words[1] == "query" else words[1:2])
            assert words[0] != "attridex" or name in known, f"{page}: {' '.join(words)}"
            assert words[0] != "make" or words[1] in targets, f"{page}: {' '.join(words)}"


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_linked_file_and_heading_is_there(page: str) -> None:
    for target, anchor in LINK.findall(PAGES[page]):
        if "://" not in target:
            path = (ROOT / page).parent / target if target else ROOT / page
            assert path.exists(), f"{page} links {target}"
            assert not anchor or anchor in anchors(path.read_text()), f"{page} links {target}#{anchor}"


def test_every_page_is_within_reach_of_the_readme() -> None:
    found, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        found.add(page)
        near = {str(((ROOT / page).parent / target).resolve()) for target, _ in LINK.findall(PAGES[page])}
        ahead += [other for other in PAGES if other not in found and other not in ahead and str(ROOT / other) in near]
    shown_elsewhere = {f"docs/{page}.md" for page in ("contributing", "changelog", "findings", "peers", "index")}
    assert {page for page in PAGES if not page.startswith("docs/reference/")} - found - shown_elsewhere == set()


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 160


def paths() -> Iterator[tuple[str, str]]:
    """(page, path) of every file and folder that a page names as code."""
    for page, text in PAGES.items():
        for path in re.findall(r"`((?:client|docs|indexer|protos|service|tests)/[\w/.*-]*)`", text):
            yield page, path


def test_every_path_that_a_page_names_is_there() -> None:
    assert [(page, path) for page, path in paths() if not any(ROOT.glob(path.rstrip("/")))] == []


def test_every_fault_names_what_says_so() -> None:
    rows = [row for row in PAGES["docs/faults.md"].splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 40
    assert [row for row in rows if "`tests/" not in row.rpartition(" | ")[2]] == []


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if tables.MARKED.search(text)])
def test_what_is_made_from_the_sources_is_current(page: str) -> None:
    assert tables.filled(PAGES[page]) == PAGES[page], "run `make tables`"


def test_the_picture_of_the_rooms_is_current() -> None:
    assert (DOCS / "rooms.svg").read_text() == picture(), "run `make tables`"


def part(page: str, heading: str) -> str:
    """What stands under a heading."""
    return PAGES[page].partition(f"\n### {heading}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("section", Config.model_fields)
def test_every_key_of_the_configuration_is_described(section: str) -> None:
    kind = tables.section_of(Config.model_fields[section].annotation)
    assert [name for name, field in kind.model_fields.items() if not field.description] == []
    assert [name for name in kind.model_fields if f"| `{name}` |" not in part("docs/configuration.md", f"[{section}]")] == []


@pytest.mark.parametrize("name", ["At the top", *KINDS])
def test_every_key_of_the_studies_is_described_with_its_default(name: str) -> None:
    kind = Common if name == "At the top" else KINDS[name]
    text = part("docs/studies.md", name if kind is Common else f"[{name}]")
    assert [
        each.name for each in fields(kind) if f"| `{each.name}` | {tables.shown(tables.default_of(each))} |" not in text
    ] == []


RECIPES = sorted((ROOT / "tests/recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recipe_is_valid(path: Path) -> None:
    if path.stem == "study":
        load_settings(path, KINDS)
    else:
        parse_config(tomllib.loads(path.read_text()), path.name, path.parent)


def test_every_configuration_that_is_shown_is_valid() -> None:
    shown = [(page, data) for page, text in blocks("toml") if "corpus" in (data := tomllib.loads(text))]
    assert {"README.md", "docs/configuration.md"} <= {page for page, _ in shown}
    for page, data in shown:
        parse_config(data, page, ROOT)


def test_python_that_is_shown_can_be_read_and_imports_what_there_is() -> None:
    for _, text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("attridex."):
                exec(compile(ast.Module([node], []), "page", "exec"), {})


def test_the_changelog_is_kept() -> None:
    headings = re.findall(r"^##+ (.*)$", PAGES["CHANGELOG.md"], re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(
        heading in kinds or re.fullmatch(r"\[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d\d-\d\d)?", heading) for heading in headings
    )


def test_the_supported_pythons_are_those_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = [each.rpartition(" ")[2] for each in project["classifiers"] if ":: Python :: 3." in each]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert f"python: {said}".replace("'", '"') in workflow
    assert f"on every supported Python ({', '.join(said)})" in " ".join(PAGES["CONTRIBUTING.md"].split())
