"""The page of a run: results are read, figures drawn, and one HTML file written that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from attridex.client.errors import UsageError
from attridex.client.figures.drawing import Picture, data_uri
from attridex.client.figures.numbers import interval, number
from attridex.client.figures.palette import Palette
from attridex.client.files import write_whole
from attridex.client.report import about
from attridex.client.report.sections import section_of
from attridex.client.studies.base import KeyNumber, Study
from attridex.client.studies.registry import on_page
from attridex.client.workbench.fitness import unlearned
from attridex.client.workbench.methods import method_name
from attridex.client.workbench.results import RESULT, StudyResult, read_result

PAGE, FIGURES = "report.html", "figures"
Results = Mapping[str, StudyResult]


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
    page = out or results / PAGE
    html, figures = render(load_results(results))
    for picture, svg in figures.items():
        write_whole(page.parent / FIGURES / f"{picture.name}.svg", svg)
        write_whole(page.parent / FIGURES / f"{picture.name}.png", picture.png())
    write_whole(page, html.encode())
    return page


def load_results(directory: Path) -> Results:
    """Results of the studies that are done, in the order of the page."""
    found = {study.name: result for study in on_page() if (result := read_result(directory / study.name)) is not None}
    if not found:
        raise UsageError(f"{directory}: holds no results of a study; `attridex study` writes them (STUDY/{RESULT})")
    return found


def render(results: Results) -> tuple[str, Mapping[Picture, bytes]]:
    """The page, and its figures with the SVG of each."""
    run = next(iter(results.values()))
    details = next((result.method_details for result in results.values() if result.method_details), ())
    palette = Palette.of(details)
    sections = [section_of(study, results.get(study.name), palette) for study in on_page()]
    figures = {picture: picture.svg() for each in sections for picture in each.contents.pictures}
    keys = [key for study in on_page() if study.name in results for key in keys_of(study, results[study.name])]
    html = environment(palette).get_template("report.html").render(
        facts=about.run_facts(results), methods=about.described_methods(results), again=about.run_again(results), keys=keys,
        sections=sections, images={picture.name: data_uri(svg) for picture, svg in figures.items()}, index=run.index,
    )  # fmt: skip
    return html, figures


def keys_of(study: Study[Any], result: StudyResult) -> list[KeyNumber]:
    """What a reader of a study looks for first, labelled where its model has not learned the task."""
    words = unlearned(result)
    return [key._replace(words=f"{key.words} ({words})") if words else key for key in study.key_numbers(result)]


def environment(palette: Palette) -> Environment:
    """Templates, with everything escaped and nothing left undefined."""
    made = Environment(
        loader=PackageLoader("attridex.client", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(number=number, interval=interval, method=method_name, colour=lambda name: palette.look(name).colour)
    return made
