"""A source and a target are cut as the tokenizer's own call cuts them, from the side that the configuration says."""

import pytest

from attridex.indexer.config import CorpusConfig
from attridex.indexer.task_forms.source_target import SourceTarget
from tests.conftest import word_tokenizer


@pytest.mark.parametrize("side", ["left", "right", None])
def test_what_is_too_long_is_cut_from_the_side_of_the_call(side: str | None) -> None:
    tokenizer, row = word_tokenizer(), {"premise": "the dog ran park", "hypothesis": "a lawyer slept"}
    corpus = {"files": ["x"], "text": "{premise}", "target": "{hypothesis}", "truncation": True, "truncation_side": side}
    form = SourceTarget(CorpusConfig.model_validate(corpus), tokenizer, 2, start=1)
    (found,) = form.encode(row, "x")
    tokenizer.truncation_side = side or tokenizer.truncation_side
    wanted = [tuple(tokenizer(row[name], truncation=True, max_length=2)["input_ids"]) for name in ("premise", "hypothesis")]
    assert found.truncated
    assert [found.source, found.wanted] == wanted
