"""A training's rows as its model saw them: the trainer's own collator makes a batch of each row by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from attridex.indexer.errors import InputError, first_line, nearest
from attridex.indexer.forms.token_rows import DECODER_IDS, DECODER_MASK, IDS, LABELS, MASK, NO_LOSS, POSITIONS, TEXT, TYPES
from attridex.indexer.index.layout import is_reserved
from attridex.indexer.sections import DOCUMENT

READ = (IDS, MASK, TYPES, POSITIONS, LABELS, DECODER_IDS, DECODER_MASK)
"""Columns of a batch that say what the model reads and learns."""
DERIVED = (
    "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx", "length", "seq_lengths",
)  # fmt: skip
"""Columns that say the same again, for attention kernels and samplers."""

Batch = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a trainer's `train_dataset`.

    Attributes:
        dataset: what the trainer's loader reads, without unused columns.
        collate: makes a batch of rows, as the trainer does.
        raw: the dataset with all of its columns.
        id: column of the ids; "" numbers the rows.
        metadata: columns that are kept.
        texts: columns that are kept where a row has a text there.
        shifted: whether a label is decided at the token before it, as a language model's is, so that a row's first has no loss.
    """

    dataset: Any
    collate: Callable[[list[Any]], Batch]
    raw: Any
    id: str = ""
    metadata: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    shifted: bool = False

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns that are kept."""
        return (*self.metadata, *self.texts)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.dataset)

    def batch(self, number: int) -> Batch:
        """A row by itself, as the model is given it.

        Raises:
            InputError: the collator does not make a batch of one row, or not the same one twice, or with columns unknown here.
        """
        where = f"train_dataset, row {number}"
        first, second = self._collated(number, where), self._collated(number, where)
        if first.keys() != second.keys() or not all(same(first[name], second[name]) for name in first):
            raise InputError(
                f"{where}: the data collator (or the dataset) gives another batch each time, as masking at random does; an index "
                "needs the very tokens that were learned: collate once and train on what came out"
            )
        strange = [name for name in first if name not in (*READ, *DERIVED)]
        if strange or IDS not in first:
            found = f"gives '{strange[0]}', which attridex does not read" if strange else "gives no 'input_ids'"
            raise InputError(f"{where}: the data collator {found}; known: {', '.join(READ)}")
        return first

    def _collated(self, number: int, where: str) -> Batch:
        try:
            batch = self.collate([self.dataset[number]])
        except Exception as error:  # a user's own code
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise InputError(f"{where}: the data collator makes no batch of one row ({reason})") from None
        if not isinstance(batch, Mapping):
            raise InputError(f"{where}: the data collator gives a {type(batch).__name__}; a dict of tensors is needed")
        return {name: value for name, value in batch.items() if value is not None}

    def encoded(self, number: int) -> dict[str, Any]:
        """A row as an index keeps it; see `batch` for what it raises.

        Raises:
            InputError: it lacks a column that is kept.
        """
        where = f"train_dataset, row {number}"
        row = self.raw[number] if self.id or self.kept else {}
        identity = str(value_of(row, self.id, where)) if self.id else str(number)
        columns = columns_of(self.batch(number), where)
        own = {name: value_of(row, name, where) for name in self.metadata}
        return {"id": identity, **columns, **own, **{name: text_in(row, name) for name in self.texts}}

    def teaches(self, columns: Mapping[str, Any]) -> bool:
        """Whether an encoded row has a loss: a label of its own, or of a token.

        The number -100, not 100 below 0 in a regression, is none.
        """
        labels = columns.get(LABELS)
        learned = labels[self.shifted :] if isinstance(labels, list) else [labels]
        return any(not isinstance(label, int) or label != NO_LOSS for label in learned)


def value_of(row: Any, name: str, where: str) -> Any:
    """A column that the model is not given.

    Raises:
        InputError: the row lacks it.
    """
    if not isinstance(row, Mapping) or name not in row:
        known = nearest(name, row) if isinstance(row, Mapping) else "its rows are no dicts"
        raise InputError(f"{where}: no column '{name}'; {known}")
    return row[name]


def text_in(row: Any, name: str) -> str | None:
    """A column's text; None where the row has none."""
    value = row.get(name) if isinstance(row, Mapping) else None
    return value if isinstance(value, str) else None


def first_learned(rows: TrainingRows) -> Any:
    """The first row that has a loss, with all of its columns, as others are not kept; None where none has."""
    return next((rows.raw[number] for number in range(len(rows)) if rows.teaches(rows.encoded(number))), None)


def text_columns(first: Any, id: str) -> tuple[str, ...]:
    """Columns of a dataset that hold texts, by its first row that is kept, and that an index can have beside its own."""
    taken, found = {id.lower(), DOCUMENT, *READ}, list[str]()
    for name in first if isinstance(first, Mapping) else ():
        own = is_reserved(name) or name.lower() in taken or (name.lower() == TEXT and name != TEXT)
        if text_in(first, name) is not None and not own:
            found.append(name)
            taken.add(name.lower())
    return tuple(found)


def training_rows(trainer: Any, id: str, metadata: Sequence[str] | None, task: str) -> TrainingRows:
    """The rows of a trainer, as its own loader makes batches of them.

    Args:
        trainer: with its `train_dataset`.
        id: column of the ids; "" numbers the rows.
        metadata: columns that are kept; those of texts unless given.
        task: of the model.

    Raises:
        InputError: there are none, they come as a stream, or by a loader that does not tell them.
    """
    data = trainer.train_dataset
    if data is None:
        raise InputError("from_trainer: the trainer has no train_dataset")
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise InputError(
            "from_trainer: train_dataset is a stream, whose rows cannot be numbered; make a dataset of it, as by "
            "datasets.Dataset.from_list(list(stream))"
        )
    if not len(data):
        raise InputError("from_trainer: train_dataset has no rows")
    loader = trainer.get_train_dataloader()
    if not hasattr(loader, "dataset") or not hasattr(loader, "collate_fn"):
        raise InputError(
            f"from_trainer: the trainer's get_train_dataloader gives a {type(loader).__name__}, which does not tell rows and "
            "collator; a torch DataLoader is needed"
        )
    if not is_theirs(trainer.get_train_dataloader):  # whose rows may be others, or in another order
        data = loader.dataset
    raw = data.with_format(None) if hasattr(data, "with_format") else data
    rows = TrainingRows(loader.dataset, loader.collate_fn, raw, id, tuple(metadata or ()), shifted=task == "causal-lm")
    return rows if metadata is not None else replace(rows, texts=text_columns(first_learned(rows), id))


def same(first: Any, second: Any) -> bool:
    """Whether two values of a batch are the same."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.shape == second.shape and bool(((first == second) | (first.isnan() & second.isnan())).all())
    return bool(first == second)


def columns_of(batch: Batch, where: str) -> dict[str, Any]:
    """The one row of a batch as columns of numbers.

    Raises:
        InputError: the batch holds another number of rows.
    """
    found = {}
    for name in (each for each in READ if each in batch):
        values = batch[name] if isinstance(batch[name], Tensor) else torch.as_tensor(batch[name])
        if values.dim() == 0 or len(values) != 1:
            raise InputError(
                f"{where}: the data collator makes '{name}' of shape {list(values.shape)} of one row; [1, ...] is needed"
            )
        found[name] = values[0].tolist()
    return found


def is_theirs(function: Any) -> bool:
    """Whether a function is one of the libraries' own."""
    return str(function.__module__).startswith(("transformers.", "trl."))
