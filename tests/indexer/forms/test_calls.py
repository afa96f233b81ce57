"""A tokenizer's call: its side of truncation is its own again behind it, and what may not be cut is refused."""

import pytest

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.calls import TokenizerCall
from tests.conftest import word_tokenizer


def test_a_call_cuts_from_its_side_and_leaves_the_tokenizer_as_it_was() -> None:
    tokenizer = word_tokenizer()
    text = "the dog ran park"
    whole, before = tokenizer(text)["input_ids"], tokenizer.truncation_side
    corpus = CorpusConfig(files=["x"], text="{a}", truncation=True, truncation_side="left")
    call = TokenizerCall(corpus, tokenizer, 2)
    assert call(text)["input_ids"] == whole
    assert call.excess(len(whole), "x") == len(whole) - 2
    assert call.cut(text)["input_ids"] == whole[-2:]
    assert tokenizer.truncation_side == before


def test_what_may_not_be_cut_is_refused() -> None:
    call = TokenizerCall(CorpusConfig(files=["x"], text="{a}"), word_tokenizer(), 2)
    assert call.excess(2, "x") <= 0
    with pytest.raises(InputError, match="x: 3 tokens over the limit of 2"):
        call.excess(5, "x")
