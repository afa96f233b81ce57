"""A study's result as a section of the page: figures, tables, notes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from attridex.client.figures import words
from attridex.client.figures.drawing import Picture
from attridex.client.figures.numbers import count, number
from attridex.client.figures.tables import Table
from attridex.client.figures.words import method_name
from attridex.client.report.contents import CONTENTS, Result


@dataclass(frozen=True)
class Section:
    """A study on the page.

    Attributes:
        name: of the study.
        done: whether there are results.
        sizes: what was looked at, in words.
        pictures: figures.
        tables: all numbers behind them.
        notes: of the study.
    """

    name: str
    done: bool = False
    sizes: str = ""
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        """Heading."""
        return words.TITLES[self.name]

    @property
    def measured(self) -> str:
        """What is measured and how to read it."""
        return words.MEASURED[self.name]

    @property
    def published(self) -> str:
        """The paper's finding, if it has one."""
        return words.PUBLISHED.get(self.name, "")


def section(name: str, result: Result | None) -> Section:
    """The section of a study; without a result it only says so."""
    if result is None:
        return Section(name)
    pictures, tables = CONTENTS[name](result) if any(result["tables"].values()) else ((), ())
    return Section(name, True, sizes(result), tuple(pictures), tuple(tables), notes(result))


def notes(result: Result) -> tuple[str, ...]:
    """Notes of a result as sentences, and what its markers mean."""
    markers = {row["marker"]: None for row in result["tables"].get("artefacts", [])}
    meant = [f"{marker[:1].upper()}{marker[1:]}: {words.MARKERS[marker]}." for marker in markers if marker in words.MARKERS]
    return (*(note(text) for text in result["notes"]), *meant)


def note(text: str) -> str:
    """A note as a sentence; one that begins with a method's name begins with its name for readers."""
    first, _, rest = text.rstrip(".").partition(" ")
    if first == "na" or "/" in first:
        return f"{method_name(first)} {rest}."
    return f"{first[:1].upper()}{first[1:]} {rest}."


SIZES: Mapping[str, Callable[[Any], str]] = {
    "queries": lambda n: count(n, "query"),
    "wrong": lambda n: f"{number(n)} of them wrong",
    "looked_at": lambda n: f"{number(n)} looked at",
    "k": lambda n: f"top {number(n)} instances",
    "r": lambda n: f"top {number(n)} neurons",
    "random_draws": lambda n: f"{count(n, 'draw')} of random neurons",
    "instances": lambda n: count(n, "training instance"),
    "size": lambda n: f"{number(n)} in each set",
    "pool": lambda n: f"pool of {count(n, 'instance')}",
    "halves": lambda n: count(n, "random half").replace("halfs", "halves"),
    "retrain": lambda what: f"retrained: {what}",
    "accuracy_of_halves": lambda share: f"mean accuracy of the retrained models {number(share)}",
    "tests": lambda n: count(n, "test instance"),
    "models": lambda n: f"{count(n, 'model')} trained",
}


def sizes(result: Result) -> str:
    """The facts of a result in one line."""
    facts = {key: value for key, value in result["facts"].items() if not key.endswith("_hash")}
    found = [SIZES[key](value) if key in SIZES else f"{key.replace('_', ' ')}: {value}" for key, value in facts.items()]
    text = "; ".join(found)
    return f"{text[:1].upper()}{text[1:]}"
