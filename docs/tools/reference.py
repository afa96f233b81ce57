"""The reference: every public name of a package with its docstring, read from the sources without importing them.

A line `<!-- modules: indexer -->` in a page stands for all rooms of that package.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import griffe
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"v1": "protos/attridex/v1", "client": "client", "indexer": "indexer", "service": "service"}
LEFT_OUT = ("commands", "figures", "report", "demo", "benchmarks")
"""Rooms that nobody imports from outside."""
MARK = re.compile(r"^<!-- modules: (\w+) -->$", re.MULTILINE)
SPECIAL = re.compile(r"(`[^`]*`)|([\\*_<>\[\]$#{}|~])")
TITLES = {"parameters": "Args", "attributes": "Attributes", "returns": "Returns", "yields": "Yields", "raises": "Raises"}


def rooms_of(package: str) -> list[str]:
    """The rooms of a package that are shown, in the order of the table."""
    rooms = tomllib.loads((ROOT / "tests/rooms.toml").read_text(encoding="utf-8"))["rooms"]
    return [room for room in rooms if room.split(".")[0] == package and room.rpartition(".")[2] not in LEFT_OUT]


def files_of(room: str) -> list[Path]:
    """The sources of a room, its `__init__` first."""
    package, *rest = room.split(".")
    directory = ROOT.joinpath(FOLDERS[package], *rest)
    found = [
        path
        for path in directory.glob("*.py")
        if not path.stem.startswith("wire_") and not path.stem.endswith(("_pb2", "_pb2_grpc"))
    ]
    return sorted(found, key=lambda path: (path.stem != "__init__", path.stem))


def modules(room: str) -> Iterator[str]:
    """Markdown of a room and each of its modules."""
    yield f"## attridex.{room}"
    for path in files_of(room):
        name = ".".join(["attridex", room, *([] if path.stem == "__init__" else [path.stem])])
        module = griffe.visit(name, path, path.read_text(encoding="utf-8"), docstring_parser=griffe.Parser.google)
        if path.stem == "__init__":
            yield described(module)
        else:
            yield f"### `{name}`\n\n```{{py:module}} {name}\n```\n\n{described(module)}"
            yield from (entry(member) for member in module.members.values() if is_public(member))


def is_public(member: griffe.Object | griffe.Alias) -> bool:
    """Whether a name is shown: defined here, without an underscore, and described."""
    return not member.is_alias and not member.name.startswith("_") and member.docstring is not None


def entry(member: griffe.Object | griffe.Alias, depth: int = 0) -> str:
    """Markdown of a class, a function or a value; `depth` is how many classes it stands in."""
    fence = "`" * (6 - depth)
    kind, signature = kind_of(member), signature_of(member)
    body = [described(member)]
    if isinstance(member, griffe.Class):
        body += [described(member.members["__init__"])] if "__init__" in member.members else []
        body += [entry(each, depth + 1) for each in member.members.values() if is_public(each)]
    return "\n\n".join([f"{fence}{{py:{kind}}} {signature}\n:module: {member.module.path}", *body, fence])


def kind_of(member: griffe.Object | griffe.Alias) -> str:
    """The directive that describes a name."""
    inside = isinstance(member.parent, griffe.Class)
    if isinstance(member, griffe.Class):
        return "class"
    if isinstance(member, griffe.Function):
        return "method" if inside else "function"
    return "attribute" if inside else "data"


def signature_of(member: griffe.Object | griffe.Alias) -> str:
    """A name with its parameters, on one line."""
    name = member.path.removeprefix(f"{member.module.path}.")
    start = member.members.get("__init__") if isinstance(member, griffe.Class) else member
    if not isinstance(start, griffe.Function):
        return name
    parameters = ", ".join(shown(start))
    returns = f" -> {typed(start.returns)}" if start.returns and start is member else ""
    return f"{name}({parameters}){returns}".replace("\n", " ")


def shown(function: griffe.Function) -> Iterator[str]:
    """Parameters of a function as they are written, without self."""
    starred = False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind
        if kind is griffe.ParameterKind.keyword_only and not starred:
            yield "*"
        starred |= kind in (griffe.ParameterKind.keyword_only, griffe.ParameterKind.var_positional)
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(kind, "")
        annotation = f": {typed(parameter.annotation)}" if parameter.annotation else ""
        default = f" = {parameter.default}" if parameter.default is not None and not stars else ""
        yield f"{stars}{parameter.name}{annotation}{default}"


def typed(annotation: griffe.Expr | str) -> str:
    """A type, with attridex's own names in full, so that each leads to its entry."""
    if isinstance(annotation, griffe.ExprName | griffe.ExprAttribute):
        path = annotation.canonical_path
        return path if path.startswith("attridex.") else str(annotation)
    return annotation if isinstance(annotation, str) else "".join(map(typed, annotation.iterate(flat=False)))


def described(member: griffe.Object | griffe.Alias) -> str:
    """A docstring as Markdown."""
    return "\n\n".join(section(each) for each in member.docstring.parsed) if member.docstring else ""


def section(found: griffe.DocstringSection) -> str:
    """A section of a docstring."""
    if found.kind is griffe.DocstringSectionKind.text:
        return plain(found.value)
    if found.kind.value not in TITLES:
        return f"**{found.title}**\n\n{plain(str(found.value))}"
    lines = [f"- {item(each)}" for each in found.value]
    return "\n".join([f"**{TITLES[found.kind.value]}**", "", *lines])


def item(found: griffe.DocstringElement) -> str:
    """One parameter, attribute, result or exception."""
    name = getattr(found, "name", "") or (str(found.annotation) if isinstance(found, griffe.DocstringRaise) else "")
    text = plain(found.description).replace("\n", "\n  ")
    return f"`{name}`: {text}" if name else text


def plain(text: str) -> str:
    """Docstrings are plain text with `code`: what Markdown would take for more is escaped, indented examples are kept."""
    return "\n".join(line if line.startswith("    ") else SPECIAL.sub(escaped, line) for line in text.splitlines())


def escaped(found: re.Match[str]) -> str:
    """Code as it is, a special character with a backslash."""
    return found[1] or f"\\{found[2]}"


def fill(app: Sphinx, _name: str, source: list[str]) -> None:
    """Replace the marks of a page, which is read again once one of the sources has changed."""
    for package in MARK.findall(source[0]):
        for path in (path for room in rooms_of(package) for path in files_of(room)):
            app.env.note_dependency(path)
    source[0] = MARK.sub(lambda found: "\n\n".join(part for room in rooms_of(found[1]) for part in modules(room)), source[0])


def exact(_app: Sphinx, doctree: nodes.document) -> None:
    """Types of attridex lead to their entry by their full names; others to nothing, and Sphinx need not look for them."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") == "py" and "refspecific" in node:
            if node["reftarget"].startswith("attridex."):
                del node["refspecific"]
            else:
                node.replace_self(nodes.Text(node["reftarget"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages as they are read; what griffe warns of is a warning of the build."""
    griffe.patch_loggers(logging.getLogger)
    app.connect("source-read", fill)
    app.connect("doctree-read", exact)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
