"""What a study is: its run, and beside it everything that is said and drawn of its result."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from attridex.client.figures.numbers import count, interval, number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, Table
from attridex.client.workbench.context import Context
from attridex.client.workbench.fitness import FIT, told_fit
from attridex.client.workbench.methods import method_name
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.statistics import Row

if TYPE_CHECKING:
    from attridex.client.figures.drawing import Picture

Settings = TypeVar("Settings")
METHOD = Axis("method", "method", method_name)
"""Methods down a table."""
FACTS: Mapping[str, Callable[[Any], str]] = {
    "queries": lambda n: count(n, "query"),
    "wrong": lambda n: f"{number(n)} of them wrong",
    "k": lambda n: f"top {number(n)} instances",
    "r": lambda n: f"top {number(n)} neurons",
    "instances": lambda n: count(n, "training instance"),
    "pool": lambda n: f"pool of {count(n, 'instance')}",
    FIT: told_fit,
}
"""Facts that several studies have, in words."""


class KeyNumber(NamedTuple):
    """A number that a reader looks for first, its interval, and what it is."""

    value: str
    interval: str
    words: str

    @classmethod
    def of(cls, row: Row, words: str) -> "KeyNumber":
        """The mean of a row."""
        mean = number(row["mean"])
        return cls(mean, interval(row).removeprefix(mean).strip(), words)


@dataclass(frozen=True)
class Contents:
    """What the section of a study holds.

    Attributes:
        pictures: figures.
        tables: all numbers behind them.
        links: anchors inside the section with their names, for the list of contents.
        shown: what else the study's own template shows, by name.
    """

    pictures: Sequence["Picture"] = ()
    tables: Sequence[Table] = ()
    links: Sequence[tuple[str, str]] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study(Generic[Settings]):
    """A study, all of it: make one in a file of this folder, or register it under the entry points `attridex.studies`.

    Attributes:
        name: on the command line, in settings and of its directory.
        title: over its section.
        measured: what is measured and how to read it.
        settings: dataclass of its table of settings, each field described where it stands.
        run: does the work.
        section: draws a result; what it needs of matplotlib it imports when it is called.
        order: its place among those of this folder, on the page and where all are run.
        published: the paper's finding, if it has one.
        facts: words for the facts that only this study has.
        notes: what else a reader must know.
        key_numbers: what a reader looks for first.
        check: refuses settings before any work.
        every_query: whether its fact "queries" counts all queries of the run.
        closes_page: whether it stands behind all others on the page.
        template: of its section.
    """

    name: str
    title: str
    measured: str
    settings: type[Settings]
    run: Callable[[Context, Settings], Findings]
    section: Callable[[StudyResult, Palette], Contents]
    order: int = 100
    published: str = ""
    facts: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    notes: Callable[[StudyResult], Iterable[str]] = lambda _result: ()
    key_numbers: Callable[[StudyResult], Iterable[KeyNumber]] = lambda _result: ()
    check: Callable[[Context, Settings], None] = lambda _context, _settings: None
    every_query: bool = False
    closes_page: bool = False
    template: str = "report_section.html"


def measured_rows(result: StudyResult, table: str) -> list[Row]:
    """Rows of a table with a mean; none where the table is missing."""
    return [row for row in result.rows(table) if row.get("mean") is not None]


def leaders(rows: Sequence[Row]) -> str:
    """Names of the methods with the highest mean, all that share it."""
    top = max(row["mean"] for row in rows)
    return ", ".join(dict.fromkeys(method_name(row["method"]) for row in rows if row["mean"] == top))


def highest(rows: Sequence[Row]) -> Row:
    """The row with the highest mean."""
    return max(rows, key=lambda row: float(row["mean"]))
