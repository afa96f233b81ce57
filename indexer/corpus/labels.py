"""Labels: which output of the model a record's label means."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, brief
from attridex.indexer.outputs import numbers_name, output_of


class LabelReader:
    """Reads labels as outputs of a model.

    Attributes:
        names: of the model's outputs, in their order; empty where a record brings its own outputs.
    """

    def __init__(self, corpus: CorpusConfig, names: Sequence[str]) -> None:
        """`names` of the model's outputs."""
        self.names = list(names)
        self._column, self._rendering = corpus.label, corpus.rendering

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
        number = output_of(value, outputs, self._rendering)
        if number is None and used:
            raise InputError(
                f"{where}: label {brief(value)} is none of the model's outputs: {', '.join(outputs)}{self._hint(outputs)}"
            )
        return number

    def _hint(self, outputs: Sequence[str]) -> str:
        """What else a label may be, and what would be right."""
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
        value = record.get(self._column)
        names = own or (tuple(ascii_uppercase[: len(outputs)]) if len(outputs) <= len(ascii_uppercase) else outputs)
        number = None if value is None else output_of(value, names)
        if number is None and value is not None and used:
            told = "" if own else f", or {', '.join(outputs)}: choices are counted from 0"
            hint = "" if own else '; give their own labels as choices = {"text": [...], "label": [...]}'
            raise InputError(f"{where}: label {brief(value)} is none of the choices: {', '.join(names)}{told}{hint}")
        return number

    @staticmethod
    def read_number(number: int, where: str, outputs: int, *, used: bool = True) -> int | None:
        """An output by its number alone, as a Trainer's own dataset has it.

        Args:
            number: of the output.
            where: names it in errors.
            outputs: how many there are.
            used: False lets an unknown label pass as None.

        Raises:
            InputError: there is no such output.
        """
        if number in range(outputs):
            return number
        if used:
            raise InputError(f"{where}: label {number} is none of the {outputs} outputs, numbered 0 to {outputs - 1}")
        return None
