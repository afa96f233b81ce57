"""A study as a section of the page: its words, and the figures, tables and notes of its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from attridex.client.figures.drawing import Picture, styled
from attridex.client.figures.palette import Palette
from attridex.client.studies.base import FACTS, Contents, Study
from attridex.client.workbench.fitness import unlearned
from attridex.client.workbench.methods import NA, method_name
from attridex.client.workbench.results import StudyResult


@dataclass(frozen=True)
class Section:
    """A study on the page.

    Attributes:
        study: whose words are shown.
        done: whether there are results.
        sizes: what was looked at, in words.
        contents: figures and tables.
        notes: of the result.
    """

    study: Study[Any]
    done: bool = False
    sizes: str = ""
    contents: Contents = field(default_factory=Contents)
    notes: tuple[str, ...] = ()


def section_of(study: Study[Any], result: StudyResult | None, palette: Palette) -> Section:
    """The section of a study; without a result it only says so."""
    if result is None:
        return Section(study)
    contents = study.section(result, palette) if any(result.tables.values()) else Contents()
    notes = (*map(as_sentence, result.notes), *study.notes(result))
    if words := unlearned(result):
        contents, notes = labelled(contents, words), (f"{words[:1].upper()}{words[1:]}.", *notes)
    return Section(study, True, sizes_of(study, result.facts), contents, notes)


def labelled(contents: Contents, words: str) -> Contents:
    """Contents whose figures and tables all say that their model has not learned its task."""
    tables = [replace(each, caption=f"{each.caption}; {words}") for each in contents.tables]
    return replace(contents, pictures=[labelled_picture(each, words) for each in contents.pictures], tables=tables)


def labelled_picture(picture: Picture, words: str) -> Picture:
    """A figure with a line below it, in the figure itself and in its caption."""
    below = "\n".join(text for text in (picture.figure.get_supxlabel(), words) if text)
    with styled():
        picture.figure.supxlabel(below, fontsize=9)
    return replace(picture, caption=f"{picture.caption} {words[:1].upper()}{words[1:]}.")


def as_sentence(note: str) -> str:
    """A note as a sentence; one that begins with a method's name begins with its name for readers."""
    first, _, rest = note.rstrip(".").partition(" ")
    if first == NA.name or "/" in first:
        return f"{method_name(first)} {rest}."
    return f"{first[:1].upper()}{first[1:]} {rest}."


def sizes_of(study: Study[Any], facts: Mapping[str, Any]) -> str:
    """The facts of a result in one line."""
    words = {**FACTS, **study.facts}
    shown = {key: value for key, value in facts.items() if not key.endswith("_hash")}
    text = "; ".join(words[key](value) if key in words else f"{key.replace('_', ' ')}: {value}" for key, value in shown.items())
    return f"{text[:1].upper()}{text[1:]}"
