"""A record and where it stands: what every kind of source gives."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class PlacedRecord(NamedTuple):
    """A record and its place ("file:line"), for errors."""

    values: Mapping[str, Any]
    where: str
