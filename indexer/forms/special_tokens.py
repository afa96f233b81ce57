"""Special tokens around a text: those that a form puts there, and those of the tokenizer's own template."""

from dataclasses import dataclass
from typing import Any

from attridex.indexer.forms.encoding import Tokens

PROBES = ("a", "1", ".")
"""Texts that show a tokenizer's template; one of them has tokens in any vocabulary."""


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids put before and after an instance: BOS for causal models, CLS and SEP for encoders."""

    before: Tokens
    after: Tokens


def own_special_tokens(tokenizer: Any) -> SpecialTokens:
    """What `tokenizer(text)` puts before and after the tokens of the text."""
    for probe in PROBES:
        plain = tuple(tokenizer(probe, add_special_tokens=False, verbose=False)["input_ids"])
        whole = tuple(tokenizer(probe, verbose=False)["input_ids"])
        for start in range(len(whole) - len(plain) + 1):
            if plain and whole[start : start + len(plain)] == plain:
                return SpecialTokens(whole[:start], whole[start + len(plain) :])
    return SpecialTokens((), ())
