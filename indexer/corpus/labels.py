"""Labels: which output of the model a record's label means."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, brief
from attridex.indexer.outputs import numbers_name, output_of, whole_number

TRAINER_LABELS = ("label", "label_ids", "labels")
"""Columns of the label in a Trainer's own rows, in the order in which its collators take them."""


class LabelReader:
    """Reads labels as outputs of a model.

    Attributes:
        names: of the model's outputs, in their order; empty where a record brings its own outputs.
    """

    def __init__(self, corpus: CorpusConfig, names: Sequence[str]) -> None:
        """`names` of the model's outputs."""
        self.names = list(names)
        self._columns = (corpus.label, *(TRAINER_LABELS if corpus.encoded else ()))
        self._encoded, self._rendering = corpus.encoded, corpus.rendering

    def value(self, record: Mapping[str, Any]) -> Any:
        """What stands in a record's label; None where it has none, for which tables write NaN."""
        given = (record.get(name) for name in self._columns)
        return next((value for value in given if value is not None and value == value), None)

    def read(self, record: Mapping[str, Any], where: str, outputs: Sequence[str] = (), *, used: bool = True) -> int | None:
        """Output index of a record's label; None where it has none.

        Args:
            record: its values by column.
            where: names it in errors.
            outputs: names of what is decided; the model's unless given.
            used: False lets an unknown label pass as None.

        Raises:
            InputError: the label is not one of the record's `outputs` (by default the model's), or may be two of them.
        """
        outputs = outputs or self.names
        value = self.value(record)
        if value is None:
            return None
        try:
            number = encoded_output(value, outputs) if self._encoded else output_of(value, outputs, self._rendering)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from None
        if number is None and used:
            raise InputError(
                f"{where}: label {brief(value)} is none of the model's outputs: {', '.join(outputs)}{self._hint(outputs)}"
            )
        return number

    def _hint(self, outputs: Sequence[str]) -> str:
        """What else a label may be, and what would be right."""
        if self._encoded:
            return f"; of encoded rows a number is an output's, 0 to {len(outputs) - 1}"
        if self._rendering > 1 and numbers_name(outputs):
            return "; a number is a name here, no place among them"
        return f" (or their number, 0 to {len(outputs) - 1}); set corpus.labels if the outputs have other names"

    def read_choice(
        self, record: Mapping[str, Any], where: str, outputs: Sequence[str], own: Sequence[str], *, used: bool = True
    ) -> int | None:
        """The right choice's number; None where the record tells none.

        Args:
            record: its values by column.
            where: names it in errors.
            outputs: names of the choices: their numbers.
            own: labels that the record gives its choices, if it does; choices without any are also lettered A, B, C.
            used: False lets an unknown label pass as None.

        Raises:
            InputError: it is neither a choice's own label nor its number.
        """
        if self._rendering == 1:
            return self.read(record, where, outputs, used=used)
        value = self.value(record)
        names = own or (tuple(ascii_uppercase[: len(outputs)]) if len(outputs) <= len(ascii_uppercase) else outputs)
        number = None if value is None else output_of(value, names)
        if number is None and value is not None and used:
            told = "" if own else f", or {', '.join(outputs)}: choices are counted from 0"
            hint = "" if own else '; give their own labels as choices = {"text": [...], "label": [...]}'
            raise InputError(f"{where}: label {brief(value)} is none of the choices: {', '.join(names)}{told}{hint}")
        return number


def encoded_output(value: Any, names: Sequence[str]) -> int | None:
    """Number of the output that an encoded row's label means: its number, whatever the names are; a text may be a name too.

    Raises:
        ValueError: a text is the name of one output, and the number of another.
    """
    number = int(value) if isinstance(value, bool) else whole_number(value)
    placed = number if number is not None and 0 <= number < len(names) else None
    named = output_of(value, names) if isinstance(value, str) else None
    if None not in (placed, named) and placed != named:
        raise ValueError(f"label {brief(value)} names output {named}, and is the number of another; give a number, not a text")
    return placed if named is None else named
