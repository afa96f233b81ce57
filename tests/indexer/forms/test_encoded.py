"""Encoded rows: what the model saw of them in their training, or a refusal in one line."""

import json
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoded import Encoded
from attridex.indexer.forms.encoding import Encoding
from attridex.indexer.task_kinds import Task
from tests.indexer.forms.conftest import corpus


def form(task: Task = "causal-lm", *, limit: int = 8, **settings: Any) -> Encoded:
    own = corpus(encoded=True, **settings)
    return Encoded(own, lambda ids: " ".join(map(str, ids)), limit, task)


def encode(**row: Any) -> list[Encoding]:
    return list(form().encode({"id": "r", **row}, "f:1"))


LEFT = {"input_ids": [0, 5, 6, 7, 8], "attention_mask": [0, 1, 1, 1, 1]}
ROW = {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 9]}


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        {name: json.dumps(column) for name, column in ROW.items()},  # as CSV has it
        {name: [float(value) for value in column] for name, column in ROW.items()},  # as it comes over the wire
        {**ROW, "attention_mask": [1, 1, 1, 1], "position_ids": [0, 1, 2, 3]},
        {"input_ids": [5, 6, 7, 8, 0, 0], "attention_mask": [1, 1, 1, 1, 0, 0], "labels": [-100, -100, 7, 9, -100, -100]},
        {**LEFT, "labels": [-100, -100, -100, 7, 9]},
        {**LEFT, "labels": [3, -100, -100, 7, 9], "position_ids": [1, 0, 1, 2, 3]},
    ],
)
def test_a_row_is_read_without_its_padding_and_a_token_has_a_loss_where_its_label_says_so(row: dict[str, Any]) -> None:
    (found,) = encode(**row)
    assert found.sequences == ((5, 6, 7, 8),)
    assert (found.reads, found.wanted) == ((1, 2), (7, 9))
    assert found.fields == {"text": "5 6 7 8", "document": "r"}
    assert found.outputs == ("7 9",)


def test_the_first_token_has_no_loss_since_nothing_stands_before_it() -> None:
    (found,) = encode(input_ids=[5, 6, 7], labels=[5, 6, 7])
    assert (found.reads, found.wanted) == ((0, 1), (6, 7))
    assert found.outputs == ("",)  # the text says it all


@pytest.mark.parametrize("task", ["causal-lm", "token-classification"])
@pytest.mark.parametrize("mask", [[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 0]])
def test_each_label_has_the_loss_that_the_model_s_own_call_gives_it_or_the_row_is_refused(task: Task, mask: list[int]) -> None:
    """For every choice of labels: a label has a loss in transformers where it is not -100, whatever the mask says of it."""
    shifted = task == "causal-lm"
    for chosen in product((False, True), repeat=4):
        labels = [token if own else -100 for token, own in zip((5, 6, 7, 8), chosen, strict=True)]
        theirs = [at for at, own in enumerate(chosen) if own and at >= shifted]
        decided = [at - shifted for at in theirs]
        row = {"input_ids": [5, 6, 7, 8], "attention_mask": mask, "labels": labels}
        if not theirs:
            continue
        if all(mask[at] for at in (*theirs, *decided)):
            (found,) = form(task).encode(row, "f:1")
            assert [at + mask.index(1) for at in found.reads] == decided
        else:
            with pytest.raises(InputError, match=r"'labels' hold \d at \d, (where 'attention_mask' is 0|the first token behind)"):
                form(task).encode(row, "f:1")


def test_token_types_are_kept() -> None:
    (found,) = form("sequence-classification").encode({"input_ids": [5, 6], "token_type_ids": [0, 1]}, "f:1")
    assert found.types == ((0, 1),)


PACKED = [
    {"position_ids": [0, 1, 2, 0, 1, 0]},
    {"seq_lengths": [3, 2, 1]},
    {"position_ids": [0, 1, 2, 0, 1, 0], "seq_lengths": [6]},
]


@pytest.mark.parametrize("told", PACKED)
def test_a_packed_row_gives_its_parts(told: dict[str, Any]) -> None:
    found = encode(input_ids=[5, 6, 7, 8, 9, 0], labels=[-100, 6, 7, -100, 9, -100], **told)
    assert [(each.part, each.sequences) for each in found] == [("0", ((5, 6, 7),)), ("1", ((8, 9),))]
    assert [(each.reads, each.wanted) for each in found] == [((0, 1), (6, 7)), ((0,), (9,))]
    assert {each.fields["document"] for each in found} == {"r"}


def test_parts_are_what_the_model_sees_of_a_packed_row() -> None:
    """The loss of the whole row in transformers is the mean over the parts' tokens, each part alone."""
    torch.manual_seed(0)
    config = hf.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, initializer_range=0.4
    )
    model = hf.LlamaForCausalLM(config).eval()
    row = {"input_ids": [5, 6, 7, 8, 9, 10, 11], "labels": [-100, 6, 7, -100, 9, 10, 11], "position_ids": [0, 1, 2, 0, 1, 2, 3]}
    whole = model(**{name: torch.tensor([column]) for name, column in row.items()}, use_cache=False).loss  # as Trainer calls it
    losses = []
    for part in encode(**row):
        z = model(torch.tensor(part.sequences)).logits[0, list(part.reads)]
        losses.append(torch.nn.functional.cross_entropy(z, torch.tensor(part.wanted), reduction="none"))
    torch.testing.assert_close(torch.cat(losses).mean(), whole, rtol=1e-5, atol=1e-6)


def test_choices_are_lists_of_lists() -> None:
    row = {"input_ids": [[5, 6], [7, 8, 9]], "attention_mask": [[1, 0], [1, 1, 1]]}
    (found,) = form("multiple-choice").encode(row, "f:1")
    assert found.sequences == ((5,), (7, 8, 9))
    assert found.outputs == ("0", "1")


WRONG = {
    "missing column 'input_ids'": {"input_id": [1], "labels": [1]},
    "missing column 'labels' .*-100": {"input_ids": [1, 2]},
    "'labels' has 1 values, 'input_ids' 2": {"input_ids": [1, 2], "labels": [1]},
    "holds 'abc'; a list is needed": {"input_ids": "abc", "labels": [1]},
    "holds lists, as a batch of rows does; give one row": {"input_ids": [[1, 2]], "labels": [1]},
    "a list is needed": {"input_ids": np.eye(2), "labels": [1]},
    "holds 1.5; whole numbers": {"input_ids": [1.5, 2], "labels": [1, 2]},
    "holds nan; whole numbers": {"input_ids": [float("nan"), 2], "labels": [1, 2]},
    "holds True; whole numbers": {"input_ids": [True, 2], "labels": [1, 2]},
    "a negative one": {"input_ids": [-1, 2], "labels": [-100, 2]},
    "'labels' hold -1; a token's id": {"input_ids": [1, 2], "labels": [-100, -1]},
    "no token behind the first has a loss": {"input_ids": [1, 2], "labels": [1, -100]},
    "must be 1 for one stretch": {"input_ids": [1, 2, 3], "labels": [1, 2, 3], "attention_mask": [1, 0, 1]},
    "must be 1 for one stretch of": {"input_ids": [1, 2, 3], "labels": [1, 2, 3], "attention_mask": [1, 1, 2]},
    "no token that the model sees": {"input_ids": [1, 2], "labels": [1, 2], "attention_mask": [0, 0]},
    "jump to 7": {"input_ids": [1, 2], "labels": [1, 2], "position_ids": [0, 7]},
    "jump to 2": {"input_ids": [1, 2], "labels": [1, 2], "position_ids": [2, 3]},
    "sees all texts of the row at once": {
        "input_ids": [1, 2, 3, 4], "labels": [-100, 2, -100, 4], "position_ids": [0, 1, 0, 1], "attention_mask": [1, 1, 1, 1],
    },
    "the text before would predict it": {"input_ids": [1, 2, 3, 4], "labels": [-100, 2, 3, 4], "position_ids": [0, 1, 0, 1]},
    "sum up to 3": {"input_ids": [1, 2], "labels": [1, 2], "seq_lengths": [2, 1]},
    "1 tokens over the limit of 8; raise model.max_length": {"input_ids": [1] * 9, "labels": [1] * 9},
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_what_the_model_cannot_have_seen_so_is_refused_in_one_line(message: str) -> None:
    with pytest.raises(InputError, match=f"^f:1.*{message}") as refused:
        encode(**WRONG[message])
    assert "\n" not in str(refused.value)


def test_a_packed_row_with_one_label_is_refused() -> None:
    with pytest.raises(InputError, match="packs 2 texts, and has one label"):
        form("sequence-classification").encode({"input_ids": [1, 2, 3], "position_ids": [0, 0, 1], "label": 1}, "f:1")
