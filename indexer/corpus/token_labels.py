"""Labels of tokens: which tokens of a text have a label, and which output it means."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from attridex.indexer.corpus.goals import listed
from attridex.indexer.corpus.instances import NO_LABEL
from attridex.indexer.errors import InputError, brief
from attridex.indexer.forms.encoding import Encoding
from attridex.indexer.forms.token_rows import NO_LOSS
from attridex.indexer.outputs import output_of

LEFT_OUT = (None, NO_LOSS)
"""Labels of words that have none."""


@dataclass(frozen=True)
class Labelled:
    """An encoding whose tokens know their labels, and the labels as tables show them; None where a record has none."""

    encoding: Encoding
    answer: str | None


def labelled_tokens(encoding: Encoding, value: Any, names: Sequence[str], where: str, *, used: bool) -> Labelled:
    """Give the tokens of an encoding their labels.

    Args:
        encoding: whose tokens know their words, or (encoded rows) their labels.
        value: of the label's column: a list with a name or number for each word, None or -100 for a word without.
        names: of the model's outputs.
        where: names the record in errors.
        used: False lets labels pass that the model does not have, as none.

    Raises:
        InputError: no list of as many labels as words, or a label that is no output.
    """
    try:
        if encoding.wanted:
            return of_encoded(encoding, names)
        return unlabelled(encoding) if value is None else of_words(encoding, value, names)
    except ValueError as error:
        if not used:
            return unlabelled(encoding)
        raise InputError(f"{where}: {error}") from None


def unlabelled(encoding: Encoding) -> Labelled:
    """All tokens, the loss of each of which is that of its predicted label."""
    return Labelled(replace(encoding, wanted=(NO_LABEL,) * len(encoding.reads)), None)


def of_encoded(encoding: Encoding, names: Sequence[str]) -> Labelled:
    """Tokens with the numbers of their outputs."""
    wrong = next((label for label in encoding.wanted if not 0 <= label < len(names)), None)
    if wrong is not None:
        raise ValueError(f"label {wrong} of a token is none of the model's {len(names)} outputs (0 to {len(names) - 1})")
    return Labelled(encoding, shown([names[label] for label in encoding.wanted]))


def of_words(encoding: Encoding, value: Any, names: Sequence[str]) -> Labelled:
    """Tokens with the labels of their words."""
    found = listed(value)
    if not isinstance(found, list | tuple) or len(found) != encoding.word_count:
        raise ValueError(f"label {brief(value)}: a list of {encoding.word_count} labels is needed, one for each word")
    numbers = [None if label in LEFT_OUT else output_of(label, names) for label in found]
    for label, number in zip(found, numbers, strict=True):
        if number is None and label not in LEFT_OUT:
            raise ValueError(f"label {label!r} of a word is none of the model's outputs: {', '.join(names)}")
    kept = [(read, word, numbers[word]) for read, word in zip(encoding.reads, encoding.words, strict=True)]
    own = [(read, word, number) for read, word, number in kept if number is not None]
    if not own:
        raise ValueError("no word that is left of the text has a label; leave the instance out")
    reads, words, wanted = (tuple(column) for column in zip(*own, strict=True))
    answer = shown([None if number is None else names[number] for number in numbers])
    return Labelled(replace(encoding, reads=reads, words=words, wanted=wanted), answer)


def shown(labels: Sequence[str | None]) -> str:
    """Labels as tables show them, and as they are read again: a JSON list."""
    return json.dumps(labels, ensure_ascii=False)
