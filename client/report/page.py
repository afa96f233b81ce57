"""The page of a run: results are read, figures drawn, and one HTML file written that needs nothing else."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from attridex.client.errors import UsageError
from attridex.client.figures import words
from attridex.client.figures.drawing import Picture, data_uri
from attridex.client.figures.numbers import interval, number
from attridex.client.figures.palette import look
from attridex.client.report import about
from attridex.client.report.evidence import Texts, answers
from attridex.client.report.key_numbers import key_numbers
from attridex.client.report.sections import section

PAGE, FIGURES = "report.html", "figures"
RESULT, TEXTS = "result.json", "texts.json"
EVIDENCE = "evidence"


def write_report(results: Path, out: Path | None = None) -> Path:
    """Write figures (SVG and PNG) and the page of whatever studies are done.

    Args:
        results: directory that `attridex study` wrote.
        out: the page; `results`/report.html unless given. Figures go to the folder figures beside it.

    Returns:
        Where the page is.

    Raises:
        UsageError: no results there, or a file that is none.
    """
    found = load(results)
    page = out or results / PAGE
    html, pictures = render(found, load_texts(results))
    (page.parent / FIGURES).mkdir(parents=True, exist_ok=True)
    for picture, svg in pictures:
        whole(page.parent / FIGURES / f"{picture.name}.svg", svg)
        whole(page.parent / FIGURES / f"{picture.name}.png", picture.png())
    whole(page, html.encode())
    return page


def load(results: Path) -> dict[str, dict[str, Any]]:
    """Results of the studies that are done, in the order of the page."""
    paths = {name: results / name / RESULT for name in words.STUDIES}
    found = {name: read(path) for name, path in paths.items() if path.exists()}
    if not found:
        raise UsageError(f"{results}: holds no results of a study; `attridex study` writes them (STUDY/{RESULT})")
    for name, result in found.items():
        if missing := {"tables", "facts", "notes", "config", "index", "common", "seed"} - result.keys():
            raise UsageError(f"{paths[name]}: not a result of a study: it lacks {', '.join(sorted(missing))}")
    return found


def load_texts(results: Path) -> Texts:
    """Texts of queries and instances; empty where they were not passed on."""
    path = results / EVIDENCE / TEXTS
    return read(path) if path.exists() else {}


def read(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: not a result of a study")
    return content


def render(results: Mapping[str, Mapping[str, Any]], texts: Texts) -> tuple[str, list[tuple[Picture, bytes]]]:
    """The page, and its figures as SVG."""
    sections = [section(name, results.get(name)) for name in words.STUDIES if name != EVIDENCE]
    pictures = [(picture, picture.svg()) for each in sections for picture in each.pictures]
    run = next(iter(results.values()))
    html = environment().get_template("report.html").render(
        facts=about.facts(run, results), methods=about.methods(results), again=about.again(run, results),
        keys=key_numbers(results), sections=sections, images={picture.name: data_uri(svg) for picture, svg in pictures},
        evidence=section(EVIDENCE, None), answers=answers(results[EVIDENCE], texts) if EVIDENCE in results else None,
        has_texts=bool(texts), no_texts=words.NO_TEXTS, model=run["index"]["model"], version=run["index"]["version"],
    )  # fmt: skip
    return html, pictures


def environment() -> Environment:
    """Templates, with everything escaped and nothing left undefined."""
    made = Environment(
        loader=PackageLoader("attridex.client", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=number, interval=interval, method=words.method_name, colour=lambda method: look(method).colour)
    return made


def whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
