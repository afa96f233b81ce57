"""Labels: which output of the model a record's label means."""

from collections.abc import Mapping, Sequence
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError


class LabelReader:
    """Reads labels as outputs of a model.

    Attributes:
        names: of the model's outputs, in their order; empty where a record brings its own outputs.
    """

    def __init__(self, corpus: CorpusConfig, names: Sequence[str]) -> None:
        """`names` of the model's outputs."""
        self.names = list(names)
        self._column, self._own = corpus.label, corpus.labels
        self._index = {name: number for number, name in enumerate(corpus.labels or names)}

    def read(self, record: Mapping[str, Any], where: str, outputs: Sequence[str] = (), *, used: bool = True) -> int | None:
        """Output index of a record's label; None where it has none.

        Args:
            record: its values by column.
            where: names it in errors.
            outputs: names of what is decided; the model's unless given.
            used: False lets an unknown label pass as None.

        Raises:
            InputError: the label is not one of the record's `outputs` (by default the model's).
        """
        outputs = outputs or self.names
        value = record.get(self._column)
        if value is None or value != value:  # NaN is how tables write that there is none
            return None
        if isinstance(value, str):
            number = self._index.get(value)
            if number is None and value.strip().isdecimal():
                number = int(value)
            if number is not None and number < len(outputs):
                return number
        elif not isinstance(value, bool) and isinstance(value, int | float) and value in range(len(outputs)):
            return int(value)
        if not used:
            return None
        raise InputError(
            f"{where}: label {value!r} is none of the model's outputs: {', '.join(self._own or outputs)} "
            f"(or their number, 0 to {len(outputs) - 1}); set corpus.labels if the outputs have other names"
        )
