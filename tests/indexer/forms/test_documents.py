"""Documents: the windows that the tokenizer makes, each token with one loss at most."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.forms.documents import Documents
from attridex.indexer.forms.encoding import Encoding
from tests.conftest import WORDS, word_tokenizer
from tests.indexer.forms.conftest import corpus, with_template

TEXT = " ".join(WORDS.split()[:23])


def encode(tokenizer: Any, limit: int = 8, text: str = TEXT, **settings: Any) -> list[Encoding]:
    form = Documents(corpus(documents="text", **settings), tokenizer, limit)
    return list(form.encode({"id": "d", "text": text}, "f:1"))


def tokenizers(side: str, kind: str) -> Any:
    made = with_template(word_tokenizer(), kind)
    made.truncation_side = side
    return made


@pytest.mark.parametrize("kind", ["$A", "<s> $A", "<s> $A <pad>"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("limit", "stride"), [(8, 0), (8, 3), (7, 4), (30, 2), (64, 0)])
def test_windows_are_the_tokenizer_s_and_every_token_has_one_loss(side: str, kind: str, limit: int, stride: int) -> None:
    tokenizer = tokenizers(side, kind)
    found = encode(tokenizer, limit, stride=stride)
    own = tokenizer(TEXT, truncation=True, max_length=limit, stride=stride, return_overflowing_tokens=True)["input_ids"]
    windows = own if side == "right" else own[::-1]
    assert [each.sequences[0] for each in found] == [tuple(ids) for ids in windows]
    for each in found:
        assert tuple(each.sequences[0][read + 1] for read in each.reads) == each.wanted
    content = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    learned = [token for each in found for token in each.wanted if token > 2]
    context = kind.startswith("<s>") or stride > 0
    lost = 0 if kind.startswith("<s>") else 1 if context else len(windows)  # a first token with nothing before it
    assert len(learned) == len(content) - lost
    if lost < 2:
        assert learned == content[lost:]


def test_threads_that_render_at_once_get_what_one_alone_gets() -> None:
    form = Documents(corpus(documents="text", stride=2), word_tokenizer(), 8)
    rows = [{"id": f"d{number}", "text": " ".join(WORDS.split()[number:])} for number in range(20)] * 20
    alone = [form.encode(row, "here") for row in rows]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: form.encode(row, "here"), rows)) == alone


def test_a_window_knows_its_document_and_its_text() -> None:
    found = encode(word_tokenizer(), stride=2)
    assert [each.part for each in found] == ["0", "1", "2", "3"]
    assert {each.fields["document"] for each in found} == {"d"}
    assert found[1].fields["text"] == " ".join(TEXT.split()[6:14])
    assert found[0].outputs == ("",)


def test_a_column_called_document_keeps_its_texts_elsewhere() -> None:
    form = Documents(corpus(documents="document"), word_tokenizer(), 8)
    (found,) = form.encode({"id": "d", "document": "the dog"}, "f:1")
    assert found.fields == {"text": "the dog", "document": "d"}


def test_windows_without_a_loss_give_no_instance() -> None:
    words = TEXT.split()[:9]
    assert [len(each.sequences[0]) for each in encode(word_tokenizer(), text=" ".join(words))] == [8]
    with pytest.raises(InputError, match="f:1: column 'text' has no token with something before it"):
        encode(word_tokenizer(), text="the")


def test_windows_that_do_not_move_on_are_refused() -> None:
    with pytest.raises(InputError, match=r"corpus.stride = 6: windows of 8 tokens \(2 of them special\) .* of 9 or more"):
        Documents(corpus(documents="text", stride=6), with_template(word_tokenizer(), "<s> $A <pad>"), 8)
    Documents(corpus(documents="text", stride=6), with_template(word_tokenizer(), "<s> $A <pad>"), 9)
