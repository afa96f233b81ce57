"""Rows of results as tables to read: one axis of the rows down, one across, a mean with its interval in each cell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.client.figures.numbers import interval, number
from attridex.client.workbench.statistics import Row

BLUE, RED = "0, 114, 178", "213, 94, 0"


@dataclass(frozen=True)
class Cell:
    """What a cell says, and the colour behind it as CSS, if any."""

    text: str
    tint: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        caption: what it shows.
        corner: what stands over the first column.
        columns: heads of the others.
        rows: head and cells of each row.
        folded: whether the page shows it only when asked.
    """

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    folded: bool = False

    @property
    def tinted(self) -> bool:
        """Whether any cell is."""
        return any(cell.tint for _, cells in self.rows for cell in cells)


@dataclass(frozen=True)
class Axis:
    """A column of the results along one side of a table.

    Attributes:
        key: the column.
        head: its name for readers.
        name: a value's name for readers.
        values: which values and in what order; as they come unless given.
    """

    key: str
    head: str
    name: Callable[[Any], str] = str
    values: tuple[Any, ...] = ()

    def of(self, rows: Sequence[Row]) -> tuple[Any, ...]:
        """Values along the axis."""
        return self.values or distinct(rows, self.key)


def distinct(rows: Sequence[Row], key: str) -> tuple[Any, ...]:
    """Different values of a column, as they come."""
    return tuple(dict.fromkeys(row[key] for row in rows))


def pick(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """Rows that have these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def pivot(
    rows: Sequence[Row],
    down: Axis,
    across: Axis,
    caption: str,
    *,
    text: Callable[[Row], str] = interval,
    tint: Callable[[Row], str] = lambda row: "",
    folded: bool = False,
) -> Table:
    """Rows as a table; where two rows claim one cell the first has it.

    Args:
        rows: of results.
        down: column whose values stand at the rows.
        across: column whose values stand over the columns.
        caption: of the table.
        text: what a cell says.
        tint: colour behind a cell.
        folded: whether the page shows it only when asked.
    """
    known: dict[tuple[Any, Any], Row] = {}
    for row in rows:
        known.setdefault((row[down.key], row[across.key]), row)
    size = Sizes.of(rows)

    def line(value: Any) -> tuple[Cell, ...]:
        found = [known.get((value, other)) for other in across.of(rows)]
        cells = [Cell("") if row is None else Cell(text(row) + size.beside(row), tint(row)) for row in found]
        return (*cells, *size.column([row for row in found if row is not None]))

    heads = tuple(across.name(value) for value in across.of(rows))
    body = tuple((down.name(value), line(value)) for value in down.of(rows))
    return Table(f"{caption}{size.caption()}", down.head, (*heads, *size.head()), body, folded)


@dataclass(frozen=True)
class Sizes:
    """Where the numbers of units behind the means are told: once, a row, or in each cell.

    Attributes:
        common: the number that all rows share, if they do.
        by_row: whether a column for it is needed.
    """

    common: int | None
    by_row: bool

    @staticmethod
    def of(rows: Sequence[Row]) -> "Sizes":
        """Look where the numbers differ."""
        numbers = {row.get("n") for row in rows}
        by_method = {(row.get("method"), row.get("n")) for row in rows}
        one_each = len(by_method) == len({method for method, _ in by_method})
        return Sizes(numbers.pop() if len(numbers) == 1 else None, len(numbers) > 1 and one_each)

    def caption(self) -> str:
        """For the caption."""
        return "" if self.common is None else f"; n = {number(self.common)}"

    def head(self) -> tuple[str, ...]:
        """Head of the column."""
        return ("n",) if self.by_row else ()

    def column(self, rows: Sequence[Row]) -> tuple[Cell, ...]:
        """Cell of the column."""
        return (Cell(number(rows[0].get("n")) if rows else ""),) if self.by_row else ()

    def beside(self, row: Row) -> str:
        """Behind the mean."""
        told = self.by_row or self.common is not None or row.get("n") is None
        return "" if told else f", n = {number(row['n'])}"


def shade(row: Row) -> str:
    """Colour behind a value from -1 to 1: blue above 0, red below, the stronger the further away."""
    value = row.get("mean")
    if not value:
        return ""
    return f"rgba({BLUE if value > 0 else RED}, {min(1.0, abs(value)) * 0.5:.2f})"


def matrix(rows: Sequence[Row], caption: str, name: Callable[[Any], str]) -> Table:
    """Pairs, named a and b, as a matrix with tinted cells."""
    across = Axis("b", "B", name, tuple(dict.fromkeys([*distinct(rows, "a"), *distinct(rows, "b")])))
    return pivot(rows, Axis("a", "A", name, across.values), across, caption, tint=shade, folded=True)
