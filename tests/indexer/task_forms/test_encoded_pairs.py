"""Encoded rows of encoder-decoder models: the decoder is given what the model makes of the labels, or the row is refused."""

from typing import Any

import pytest
import torch
import transformers as hf

from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding
from attridex.indexer.task_forms.encoded_pairs import DecoderInput, EncodedPairs
from tests.indexer.forms.conftest import corpus
from tests.indexer.models.model_types import BART, T5

MODELS = {
    "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5)),
    "bart": lambda: hf.BartForConditionalGeneration(hf.BartConfig(**BART)),
}
STARTS = {"t5": 0, "bart": 1}
LABELS = {
    "whole": [7, 8, 9, 1],
    "padded behind": [7, 8, 1, -100, -100],
    "padded before": [-100, -100, 7, 8, 1],
    "partly learned": [7, -100, 9, -100, 1],
}


def form(start: int = 0, padding: int | None = 0, **settings: Any) -> EncodedPairs:
    return EncodedPairs(corpus(encoded=True, **settings), lambda ids: " ".join(map(str, ids)), 8, DecoderInput(start, padding))


def encoded(record: dict[str, Any], **settings: Any) -> Encoding:
    (found,) = form(**settings).encode(record, "row 1")
    return found


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("labels", LABELS)
def test_the_decoder_is_given_what_the_model_makes_of_the_labels(name: str, labels: str) -> None:
    model, given = MODELS[name](), LABELS[labels]
    made = model.prepare_decoder_input_ids_from_labels(torch.tensor([given]))[0].tolist()
    last = max(at for at, label in enumerate(given) if label != -100)
    for more in ({}, {"decoder_input_ids": made, "decoder_attention_mask": [1] * len(given)}):
        found = encoded({"input_ids": [5, 6, 1], "labels": given, **more}, start=STARTS[name])
        assert found.sequences == (tuple(made[: last + 1]),)
        assert dict(zip(found.reads, found.wanted, strict=True)) == {at: each for at, each in enumerate(given) if each != -100}


def test_a_row_shows_its_source_and_is_called_by_its_target() -> None:
    found = encoded({"id": "a", "input_ids": [0, 5, 6, 1, 0], "attention_mask": [0, 1, 1, 1, 0], "labels": [7.0, 1.0]})
    assert (found.source, found.outputs, dict(found.fields)) == ((5, 6, 1), ("7 1",), {"text": "5 6 1", "document": "a"})
    assert (found.surroundings[0].before, found.surroundings[0].behind) == ((0,), (0,))
    own = encoded({"input_ids": [5], "labels": [7], "text": "own"}, metadata=["text"])
    assert own.fields["text"] == "own"


def test_a_row_without_labels_is_what_the_model_goes_on_from() -> None:
    row = {"input_ids": [5, 6, 1]}
    begun = form().prompt(row, "row 1")
    assert begun is not None
    assert (begun.source, begun.sequences, begun.reads) == ((5, 6, 1), ((0,),), ())
    assert form().prompt({**row, "labels": [7]}, "row 1") is None


ROW = {"input_ids": [5, 6, 1], "labels": [7, 8, 1]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no source": ({"input_ids": None}, "row 1: missing column 'input_ids'"),
    "no labels": ({"labels": None}, "row 1: missing column 'labels'"),
    "nothing learned": ({"labels": [-100, -100]}, "row 1: no token of 'labels' has a loss"),
    "a negative label": ({"labels": [7, -5]}, "row 1: 'labels' hold -5"),
    "a negative token": ({"input_ids": [5, -1]}, "row 1: 'input_ids' holds no token"),
    "too long a source": ({"input_ids": [5] * 9}, "row 1: 1 tokens over the limit of 8"),
    "too long a target": ({"labels": [5] * 10}, "row 1, 'labels': 2 tokens over the limit of 8"),
    "another decoder input": ({"decoder_input_ids": [0, 7, 9]}, "'decoder_input_ids' holds 9 at 2, the model itself makes 8"),
    "another start": ({"decoder_input_ids": [4, 7, 8]}, "'decoder_input_ids' holds 4 at 0, the model itself makes 0"),
    "labels not moved on": ({"decoder_input_ids": [7, 8, 1]}, "'decoder_input_ids' holds 7 at 0, the model itself makes 0"),
    "another length": ({"decoder_input_ids": [0, 7]}, "'decoder_input_ids' has 2 values, 'labels' 3"),
    "a mask within": ({"decoder_attention_mask": [1, 0, 1]}, "'decoder_attention_mask' holds 0 at 1, the model itself makes 1"),
    "several texts": ({"position_ids": [0, 1, 0]}, "row 1: the row packs several texts"),
    "several texts by length": ({"seq_lengths": [2, 1]}, "row 1: the row packs several texts"),
    "a mask with a hole": ({"attention_mask": [1, 0, 1]}, "row 1: 'attention_mask' must be 1 for one stretch"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_row_that_the_model_would_see_otherwise_is_refused_in_one_line(kind: str) -> None:
    change, words = REFUSED[kind]
    with pytest.raises(InputError) as refused:
        encoded({**ROW, **change})
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_token_without_a_loss_needs_the_model_s_padding_token() -> None:
    assert encoded({**ROW, "labels": [7, 8, -100]}, padding=None).sequences == ((0, 7),)
    with pytest.raises(InputError, match="the model has no padding token for it"):
        encoded({**ROW, "labels": [7, -100, 8]}, padding=None)


def test_what_stands_behind_the_last_token_with_a_loss_changes_nothing() -> None:
    padded = {"labels": [7, 8, 1, -100], "decoder_input_ids": [0, 7, 8, 1], "decoder_attention_mask": [1, 1, 1, 0]}
    assert encoded({**ROW, **padded}) == encoded(ROW)
