"""Token rows: the columns of a row that is encoded already, checked, without padding, and parted where it packs several texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from attridex.indexer.errors import InputError, brief, nearest
from attridex.indexer.forms.columns import from_json
from attridex.indexer.forms.encoding import Surroundings, Tokens

IDS, MASK, TYPES, POSITIONS, LABELS, LENGTHS = (
    "input_ids", "attention_mask", "token_type_ids", "position_ids", "labels", "seq_lengths",
)  # fmt: skip
"""Columns of a row, as transformers and TRL call them."""
DECODER_IDS, DECODER_MASK = "decoder_input_ids", "decoder_attention_mask"
"""Columns that a collator (DataCollatorForSeq2Seq) or a script makes of an encoder-decoder model's labels."""
TEXT = "text"
"""Column of the tokens' text."""
NO_LOSS = -100
"""The label of a token without a loss."""
NOTHING = Surroundings()
"""Of a row that holds its text alone."""


@dataclass(frozen=True)
class TokenRow:
    """A row, or a part of one, without padding.

    Attributes:
        ids: of the tokens.
        types: of the tokens; empty where the row has none.
        positions: of the tokens; empty where the row has none.
        labels: of the tokens; empty where tokens have none.
        around: what the row held beside them.
    """

    ids: Tokens
    types: Tokens = ()
    positions: Tokens = ()
    labels: Tokens = ()
    around: Surroundings = NOTHING

    def part(self, start: int, stop: int) -> "TokenRow":
        """Tokens [start, stop)."""
        ids, types, positions, labels = (values[start:stop] for values in (self.ids, self.types, self.positions, self.labels))
        packed = self.around.packed or (start, stop) != (0, len(self.ids))
        return TokenRow(ids, types, positions, labels, replace(self.around, packed=packed))


def read_row(record: Mapping[str, Any], where: str, *, labelled: bool, shifted: bool = False) -> TokenRow:
    """A row without its padding.

    Args:
        record: its values by column.
        where: names it in errors.
        labelled: whether each token needs a label.
        shifted: whether a label is decided at the token before it, as a language model's is.

    Raises:
        InputError: a column is missing, of another length, or holds anything but whole numbers; or a mask is not one stretch, or
            hides a token that has a loss.
    """
    if record.get(IDS) is None:
        raise InputError(no_ids(where, record))
    if labelled and record.get(LABELS) is None:
        raise InputError(no_labels(where))
    names = (IDS, MASK, TYPES, POSITIONS, *([LABELS] if labelled else []))
    found = {name: numbers_of(record, name, where) for name in names if record.get(name) is not None}
    for name, column in found.items():
        if len(column) != len(found[IDS]):
            raise InputError(f"{where}: '{name}' has {len(column)} values, '{IDS}' {len(found[IDS])}; as many are needed")
    start, stop = seen(found.get(MASK, (1,) * len(found[IDS])), where)
    check_hidden(found.get(LABELS, ()), start, stop, where, shifted=shifted)
    ids, types, positions, own = (found.get(name, ())[start:stop] for name in (IDS, TYPES, POSITIONS, LABELS))
    around = Surroundings(found[IDS][:start], found[IDS][stop:], POSITIONS in found)
    return TokenRow(ids, types, positions, own, around)


def no_ids(where: str, record: Mapping[str, Any]) -> str:
    """What is said of a row without tokens."""
    return (
        f"{where}: missing column '{IDS}' (corpus.encoded); {nearest(IDS, record)}; this index reads tokens: give what the "
        "training's own call of the tokenizer makes of a text, in Python [dict(tokenizer(text))] (docs/training-script.md)"
    )


def check_hidden(labels: Tokens, start: int, stop: int, where: str, *, shifted: bool) -> None:
    """Refuse a loss that a training had outside of the tokens that the model sees: it has none in an index.

    Args:
        labels: of all tokens of a row, its padding too.
        start: the first token that the model sees.
        stop: the token behind the last one.
        where: names the row in errors.
        shifted: whether a label is decided at the token before it; the row's first token has no loss then.

    Raises:
        InputError: padding has a label, or is what the first token of the text is predicted from.
    """
    learned = [place for place, label in enumerate(labels) if label != NO_LOSS and place >= shifted]
    hidden = next((place for place in learned if not start <= place < stop), None)
    if hidden is not None and stop > start:
        raise InputError(
            f"{where}: '{LABELS}' hold {labels[hidden]} at {hidden}, where '{MASK}' is 0: a training learns that of padding; "
            f"make it {NO_LOSS}, or the mask 1"
        )
    if shifted and start in learned:
        raise InputError(
            f"{where}: '{LABELS}' hold {labels[start]} at {start}, the first token behind padding, which a training predicts "
            f"from that padding; make it {NO_LOSS}, or give the row without padding"
        )


def no_labels(where: str) -> str:
    """What is said of a row whose tokens have no labels."""
    return (
        f"{where}: missing column '{LABELS}' (corpus.encoded); give a label a token, {NO_LOSS} where it has no loss, as the "
        "collator of the training made them"
    )


def numbers_of(record: Mapping[str, Any], name: str, where: str) -> Tokens:
    """A column of whole numbers; see `values` and `whole_numbers` for what it raises."""
    return whole_numbers(values(record, name, where), name, where)


def check_length(ids: Tokens, limit: int, where: str) -> None:
    """Refuse tokens that a model cannot read.

    Raises:
        InputError: there are none, or too many, or a negative one.
    """
    if not ids or min(ids) < 0:
        raise InputError(f"{where}: '{IDS}' holds no token that the model sees, or a negative one; leave the row out")
    if len(ids) > limit:
        raise InputError(f"{where}: {len(ids) - limit} tokens over the limit of {limit}; raise model.max_length, or cut the row")


def values(record: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """A column's list, or the JSON of one."""
    value = from_json(record[name])
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{where}: column '{name}' holds {brief(record[name])}; a list is needed")
    return list(value)


def whole_numbers(column: Sequence[Any], name: str, where: str) -> Tokens:
    """Whole numbers; those that came over the wire may be floats."""
    if any(isinstance(value, list | tuple) for value in column):
        raise InputError(
            f"{where}: column '{name}' holds lists, as a batch of rows does; give one row (leave return_tensors out)"
        )
    for value in column:
        if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
            raise InputError(f"{where}: column '{name}' holds {brief(value)}; whole numbers are needed")
    return tuple(map(int, column))


def seen(mask: Tokens, where: str) -> tuple[int, int]:
    """The stretch of tokens that the model sees, [start, stop)."""
    at = [place for place, value in enumerate(mask) if value]
    if any(value not in (0, 1) for value in mask) or (at and at[-1] - at[0] + 1 != len(at)):
        raise InputError(f"{where}: '{MASK}' must be 1 for one stretch of tokens and 0 before and behind it")
    return (at[0], at[-1] + 1) if at else (0, 0)


def lengths_of(record: Mapping[str, Any], where: str) -> Tokens:
    """TRL's lengths of a packed row's texts; none where positions tell them."""
    if record.get(LENGTHS) is None or record.get(POSITIONS) is not None:
        return ()
    return numbers_of(record, LENGTHS, where)


def parts_of(row: TokenRow, lengths: Tokens, where: str) -> list[TokenRow]:
    """A row's texts: each begins where positions start again.

    Raises:
        InputError: the positions of a text are not 0, 1, 2 and so on.
    """
    if lengths and sum(lengths) != len(row.ids):
        raise InputError(f"{where}: '{LENGTHS}' sum up to {sum(lengths)}, '{IDS}' has {len(row.ids)} tokens")
    positions = row.positions or tuple(place for length in lengths for place in range(length)) or tuple(range(len(row.ids)))
    starts = [at for at, (before, now) in enumerate(pairwise((None, *positions))) if before is None or now != before + 1]
    wrong = next((positions[at] for at in starts if positions[at] != 0), None)
    if wrong is not None:
        raise InputError(f"{where}: '{POSITIONS}' jump to {wrong}; each text's positions must count from 0 without a gap")
    return [row.part(start, stop) for start, stop in pairwise([*starts, len(row.ids)])]


def check_packed(parts: Sequence[TokenRow], record: Mapping[str, Any], where: str, *, decided_once: bool) -> None:
    """Refuse a packed row whose texts cannot be told apart.

    Args:
        parts: its texts.
        record: the row.
        where: names it in errors.
        decided_once: whether a row has one label.

    Raises:
        InputError: a row with one label, a mask that lets the texts see each other, or a text's first token that is predicted
            from the text before.
    """
    if decided_once:
        raise InputError(f"{where}: the row packs {len(parts)} texts, and has one label; give each text as a row")
    if record.get(MASK) is not None and record.get(POSITIONS) is not None:
        raise InputError(
            f"{where}: '{POSITIONS}' start again, but with an '{MASK}' the model sees all texts of the row at once; leave the "
            "mask out, or give each text as a row"
        )
    if any(part.labels and part.labels[0] != NO_LOSS for part in parts[1:]):
        raise InputError(
            f"{where}: the first token of a packed text has a label, so that the text before would predict it; make it "
            f"{NO_LOSS}, as DataCollatorWithFlattening does"
        )


def losses_by_labels(row: TokenRow, where: str, *, shifted: bool) -> tuple[Tokens, Tokens]:
    """`reads` and `wanted`: where a label is not -100.

    Args:
        row: with a label a token.
        where: names it in errors.
        shifted: whether a label is decided at the token before it, as a language model's is; the first has none then.

    Raises:
        InputError: a label is no token.
    """
    at = [place for place, label in enumerate(row.labels) if label != NO_LOSS and place >= shifted]
    wrong = next((row.labels[place] for place in at if row.labels[place] < 0), None)
    if wrong is not None:
        raise InputError(f"{where}: '{LABELS}' hold {wrong}; a token's id is needed, or {NO_LOSS} where it has no loss")
    return tuple(place - shifted for place in at), tuple(row.labels[place] for place in at)
