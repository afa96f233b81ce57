"""Remarks on how a tokenizer will be called, where a training may well have called it otherwise: a line each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from attridex.indexer.config import Config
from attridex.indexer.forms.encoding import Tokens
from attridex.indexer.forms.special_tokens import SpecialTokens, own_special_tokens
from attridex.indexer.forms.vocabulary import Vocabulary

SAMPLE = "The quick brown fox, 12 of them: don't! a b"
"""A text that shows how words are parted."""


def remarks_on(config: Config, tokenizer: Any, vocabulary: Vocabulary, special: SpecialTokens) -> tuple[str, ...]:
    """What there is to say.

    Args:
        config: of corpus and model.
        tokenizer: of the model.
        vocabulary: of both.
        special: tokens that segments are put between.
    """
    return (
        *(segments_remark(tokenizer, vocabulary, special) if config.corpus.form == "segments" else ()),
        *embeddings_remark(tokenizer, vocabulary),
        *file_remark(tokenizer),
    )


def segments_remark(tokenizer: Any, vocabulary: Vocabulary, special: SpecialTokens) -> Iterator[str]:
    """Segments between other tokens than the tokenizer's own."""
    own = own_special_tokens(tokenizer)
    if own != special:
        read, called = (around(each.before, each.after, vocabulary) for each in (special, own))
        yield (
            f'corpus.segments: a text is read as "{read}", tokenizer(text) gives "{called}"; where the training called it, use '
            "corpus.text in place of segments"
        )


def around(before: Tokens, after: Tokens, vocabulary: Vocabulary) -> str:
    """A text between special tokens, in words."""
    return " ".join([*map(vocabulary.name, before), "TEXT", *map(vocabulary.name, after)])


def embeddings_remark(tokenizer: Any, vocabulary: Vocabulary) -> Iterator[str]:
    """A tokenizer with tokens that the model does not have."""
    if vocabulary.embeddings is None or len(tokenizer) <= vocabulary.embeddings:
        return
    beyond = sorted(token for token in tokenizer.get_vocab().values() if not vocabulary.embedded(token))
    if beyond:
        first, many = vocabulary.name(beyond[0]), "a text with one is refused"
        yield f"the tokenizer has {len(beyond)} tokens for which the model has no embedding, the first is '{first}'; {many}"


def file_remark(tokenizer: Any) -> Iterator[str]:
    """A tokenizer's file that reads texts otherwise than the class that transformers makes of it."""
    path = Path(str(tokenizer.name_or_path)) / "tokenizer.json"
    if not path.is_file() or not tokenizer.is_fast:
        return
    plain = Tokenizer.from_file(str(path))
    plain.no_truncation()  # as transformers calls it, whatever it was saved with
    plain.no_padding()
    said = plain.encode(SAMPLE, add_special_tokens=False).ids
    if said != list(tokenizer(SAMPLE, add_special_tokens=False, verbose=False)["input_ids"]):
        yield (
            f"{path} parts a text into other tokens than the {type(tokenizer).__name__} that AutoTokenizer makes of it, which is "
            "used here; look by `attridex show` whether the training's tokenizer read texts so"
        )
