"""Answers as tables, for those who have Arrow or pandas."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from attridex.v1.errors import MissingPackageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = dict[str, Any]
"""A line of a table: values by the names of their columns."""


@contextmanager
def needing(package: str, what: str) -> Iterator[None]:
    """An import of a package that may not be there."""
    try:
        yield
    except ModuleNotFoundError:
        raise MissingPackageError(f"{what} needs {package}: pip install {package}") from None


def beside(own: Row, columns: Mapping[str, Any]) -> Row:
    """A hit's own values and the columns of its instance; "fields." stands before a column that has the name of another value."""
    return own | {f"fields.{name}" if name in own and own[name] != value else name: value for name, value in columns.items()}


def within_64_bits(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows for Arrow, whose columns of whole numbers are decimals where one needs more than 64 bits."""
    wide = {name for row in rows for name, value in row.items() if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63}
    if not wide:
        return rows
    return [{key: Decimal(v) if key in wide and isinstance(v, int) else v for key, v in row.items()} for row in rows]


class Tabular:
    """An answer that can become a table, one row a hit."""

    def rows(self) -> Iterator[Row]:
        """Flat rows."""
        raise NotImplementedError

    def to_arrow(self) -> "pa.Table":
        """The answer as an Arrow table.

        Raises:
            MissingPackageError: pyarrow is not installed.
        """
        with needing("pyarrow", "to_arrow()"):
            import pyarrow as pa
        return pa.Table.from_pylist(within_64_bits(list(self.rows())))

    def to_pandas(self) -> "pd.DataFrame":
        """The answer as a data frame.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        with needing("pandas", "to_pandas()"):
            import pandas as pd
        return pd.DataFrame(list(self.rows()))
