"""Encoded rows of encoder-decoder models: what the encoder reads, and labels, which say what the decoder is given and learns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding, Tokens
from attridex.indexer.forms.token_rows import (
    DECODER_IDS,
    DECODER_MASK,
    IDS,
    LABELS,
    NO_LOSS,
    NOTHING,
    TEXT,
    TokenRow,
    check_length,
    lengths_of,
    losses_by_labels,
    no_ids,
    no_labels,
    numbers_of,
    parts_of,
    read_row,
)
from attridex.indexer.sections import DOCUMENT


@dataclass(frozen=True)
class DecoderInput:
    """What a model gives its decoder for labels.

    Attributes:
        start: the token that the decoder begins with.
        padding: what stands for a label without a loss; None where the model has no padding token.
    """

    start: int
    padding: int | None

    def of(self, labels: Tokens, where: str) -> Tokens:
        """Labels, one of which has a loss, moved on by one token, up to the last one that has.

        Raises:
            InputError: a token without a loss stands before another, and the model has no padding token.
        """
        before = labels[: max(at for at, label in enumerate(labels) if label != NO_LOSS)]
        if NO_LOSS in before and self.padding is None:
            raise InputError(f"{where}: '{LABELS}' hold {NO_LOSS} before a token, and the model has no padding token for it")
        return (self.start, *(self.padding if label == NO_LOSS and self.padding is not None else label for label in before))


class EncodedPairs:
    """Rows as `tokenizer(text, text_target=target)` gives them; `decoder_input_ids` must be those that the model makes itself."""

    def __init__(self, corpus: CorpusConfig, decode: Callable[[Sequence[int]], str], limit: int, decoder: DecoderInput) -> None:
        """Keep how rows are read.

        Args:
            corpus: columns.
            decode: gives the text of ids.
            limit: tokens of a source, or of a target, at most.
            decoder: what it is given for labels.
        """
        self.fields: tuple[str, ...] = (TEXT,)
        self.adds: tuple[str, ...] = (DOCUMENT,)
        self._id, self._own_text = corpus.id, TEXT in corpus.metadata
        self._decode, self.limit, self._decoder = decode, limit, decoder

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        source = self._source(record, where)
        if record.get(LABELS) is None:
            raise InputError(no_labels(where))
        if lacking := self.lacking(record, where):
            raise InputError(f"{where}: {lacking}; leave the row out")
        labels = numbers_of(record, LABELS, where)
        ids = self._decoder.of(labels, where)
        reads, wanted = losses_by_labels(TokenRow(ids, labels=labels[: len(ids)]), where, shifted=False)
        check_length(ids, self.limit, f"{where}, '{LABELS}'")
        check_decoder_columns(record, ids, len(labels), where)
        return [self._encoding(source, record, ids, reads, wanted)]

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        if record.get(IDS) is None:
            raise InputError(no_ids(where, record))
        if record.get(LABELS) is None:
            return f"missing column '{LABELS}' (corpus.encoded)"
        learned = set(numbers_of(record, LABELS, where)) - {NO_LOSS}
        return "" if learned else f"no token of '{LABELS}' has a loss (its label is {NO_LOSS})"

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`: the source, and the token that the decoder begins with."""
        if not self.lacking(record, where):
            return None
        return self._encoding(self._source(record, where), record, (self._decoder.start,))

    def _source(self, record: Mapping[str, Any], where: str) -> TokenRow:
        """What the encoder reads."""
        row = read_row(record, where, labelled=False)
        if len(parts_of(row, lengths_of(record, where), where)) > 1:
            raise InputError(f"{where}: the row packs several texts, which an encoder would read as one; give each as a row")
        check_length(row.ids, self.limit, where)
        return row

    def _encoding(
        self, source: TokenRow, record: Mapping[str, Any], ids: Tokens, reads: Tokens = (), wanted: Tokens = ()
    ) -> Encoding:
        """An encoding of a row.

        Args:
            source: what the encoder reads.
            record: the row.
            ids: that the decoder is given.
            reads: positions of the decoder that decide a token with a loss.
            wanted: those tokens.
        """
        text = record.get(TEXT) if self._own_text else self._decode(source.ids)
        return Encoding(
            sequences=(ids,),
            reads=reads,
            wanted=wanted,
            fields={TEXT: text, DOCUMENT: str(record.get(self._id, ""))},
            outputs=(self._decode(wanted).strip(),) if wanted else (),
            source=source.ids,
            surroundings=(source.around,) if source.around != NOTHING else (),
        )


def check_decoder_columns(record: Mapping[str, Any], ids: Tokens, count: int, where: str) -> None:
    """Refuse a row that gives its decoder something else than the labels do.

    Args:
        record: the row.
        ids: that the labels give the decoder, up to the last token with a loss; what stands behind it changes nothing.
        count: how many labels there are.
        where: names the row in errors.

    Raises:
        InputError: it does.
    """
    for name, wanted in ((DECODER_IDS, ids), (DECODER_MASK, (1,) * len(ids))):
        if record.get(name) is None:
            continue
        given = numbers_of(record, name, where)
        if len(given) != count:
            raise InputError(f"{where}: '{name}' has {len(given)} values, '{LABELS}' {count}; as many are needed")
        odd = next((at for at, (own, right) in enumerate(zip(given, wanted, strict=False)) if own != right), None)
        if odd is not None:
            raise InputError(
                f"{where}: '{name}' holds {given[odd]} at {odd}, the model itself makes {wanted[odd]} of '{LABELS}' there; "
                "leave the column out, or give labels that it follows from"
            )
