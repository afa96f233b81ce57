"""What of these pages is made from the sources: `make tables` writes it between its marks, and a test compares.

`<!-- made: NAME -->` begins what is made here and `<!-- end -->` ends it.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import griffe
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from attridex.client import errors as client_errors
from attridex.client.studies.registry import built_in
from attridex.client.workbench.settings import Common
from attridex.indexer.config import Config
from attridex.service import errors as service_errors
from attridex.service.methods.registry import BUILT_IN
from attridex.v1.answers import Setting
from docs.tools.picture import picture
from docs.tools.reference import FOLDERS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MARKED = re.compile(r"(?<=<!-- made: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))


def one_line(text: str) -> str:
    """A text that fits a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def shown(value: Any) -> str:
    """A default as TOML has it; nothing where there is none."""
    if value is None or value in ([], (), {}):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
    return f'`"{value}"`' if isinstance(value, str) else f"`{text}`"


def choices(annotation: Any) -> str:
    """What a setting may be, where that is listed: as words before its meaning."""
    found = next((kind for kind in (annotation, *get_args(annotation)) if get_origin(kind) is Literal), None)
    return ", ".join(f"`{choice}`" for choice in get_args(found)) + ": " if found and len(get_args(found)) > 1 else ""


def section_of(annotation: Any) -> type[BaseModel]:
    """The class of a section, which may be absent."""
    kinds = (annotation, *get_args(annotation))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def configuration() -> str:
    """Every key of a configuration file."""
    return "\n".join(section(name, section_of(field.annotation)) for name, field in Config.model_fields.items())


def section(name: str, kind: type[BaseModel]) -> str:
    """A table of the configuration."""
    rows = [
        [f"`{key}`", "needed" if field.is_required() else shown(field.default), meaning_of(field)]
        for key, field in kind.model_fields.items()
    ]
    return f"### [{name}]\n\n{one_line(kind.__doc__ or '')}\n\n{table(['key', 'default', 'meaning'], rows)}"


def meaning_of(field: FieldInfo) -> str:
    """What a key of the configuration does."""
    return choices(field.annotation) + one_line(field.description or "")


def studies() -> str:
    """Every key of a settings file of studies."""
    tables = [f"### [{study.name}]\n\n{study.title}.\n\n{settings(study.settings)}" for study in built_in()]
    return "\n".join([f"### At the top\n\nWhat all studies of a run share.\n\n{settings(Common)}", *tables])


def settings(kind: type[Any]) -> str:
    """The settings of a study, from its dataclass; their meaning stands at the field, or in the docstring."""
    rows = [[f"`{each.name}`", shown(default_of(each)), one_line(begun(meanings(kind)[each.name]))] for each in fields(kind)]
    return table(["key", "default", "meaning"], rows)


def meanings(kind: type[Any]) -> dict[str, str]:
    """What each field of a dataclass is for."""
    found = {
        each.name: each.description
        for part in griffe.Docstring(kind.__doc__ or "").parse("google", warnings=False)
        if part.kind is griffe.DocstringSectionKind.attributes
        for each in part.value
    }
    hints = get_type_hints(kind, include_extras=True)
    return found | {name: hint.__metadata__[0] for name, hint in hints.items() if get_origin(hint) is Annotated}


def begun(text: str) -> str:
    """A sentence with a capital letter."""
    return text[:1].upper() + text[1:]


def default_of(field: "Field[Any]") -> Any:
    """A dataclass field's default."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def methods() -> str:
    """The IA methods of attridex itself, as `GetIndex` tells them."""
    rows = [
        [f"`{method.name}`", one_line(method.summary), one_line(method.meaning.sign), ", ".join(map(set_by, method.settings))]
        for method in BUILT_IN
    ]
    return table(["method", "what it is", "scores", "settings (default)"], rows)


def set_by(setting: Setting) -> str:
    """A setting of a method with its default, which the index decides where it has none."""
    return f"`{setting.name}`" + (f" ({setting.default})" if setting.default else "")


def rooms() -> str:
    """What lives in each room, from its `__init__`, and what it imports."""
    rules = tomllib.loads((ROOT / "tests/rooms.toml").read_text(encoding="utf-8"))
    rows = []
    for room, below in rules["rooms"].items():
        package, *rest = room.split(".")
        folder = "/".join([FOLDERS[package], *rest])
        said = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        late = [f"({name})" for name in rules["lazily"].get(room, [])]
        rows.append([f"`{folder}/`", one_line(said.split("\n\n")[0]), ", ".join([*below, *late])])
    return table(["room", "what lives there", "may import"], rows)


def catalogue() -> str:
    """The failures that a server can answer with."""
    base = service_errors.ServiceError
    kinds = sorted(subclasses(base), key=lambda kind: (kind.code, kind.reason))
    said = {base: "A fault of the server; its log has the details under the number that the message names."}
    rows = [[f"`{kind.code}`", f"`{kind.reason}`", one_line(said.get(kind) or kind.__doc__ or "")] for kind in kinds]
    return table(["status", "reason", "when"], rows)


def exceptions() -> str:
    """The client's exception for each status."""
    rows = [[f"`{code.name}`", f"`{kind.__name__}`", one_line(kind.__doc__ or "")] for code, kind in client_errors.ERRORS.items()]
    return table(["status", "raises", "when"], rows)


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """A class and all below it that the catalogue itself defines."""
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == kind.__module__:
            yield from subclasses(each)


BLOCKS: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "studies": studies,
    "methods": methods,
    "rooms": rooms,
    "catalogue": catalogue,
    "exceptions": exceptions,
}


def filled(text: str) -> str:
    """A page with what is made for it."""
    return MARKED.sub(lambda found: f"{found[1]}{found[2]}{BLOCKS[found[1]]()}", text)


def main() -> None:
    """Write the picture, and every page anew that has marks."""
    (DOCS / "rooms.svg").write_text(picture(), encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        if MARKED.search(text):
            page.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    main()
