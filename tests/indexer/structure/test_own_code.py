"""What a model's own code cannot do, or does otherwise than its modules' classes say, is said in one line."""

from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor, nn

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.models.model_types import GROUPED, PLAIN

FUNNEL: dict[str, Any] = {
    "vocab_size": 40,
    "d_model": 32,
    "n_head": 4,
    "d_head": 8,
    "d_inner": 40,
    "block_sizes": [1, 1, 1],
    "num_labels": 3,
}
CANINE = {**PLAIN, "num_hidden_layers": 1, "num_hash_functions": 2, "num_hash_buckets": 16}
REFUSED: dict[str, tuple[Any, str]] = {
    "no embeddings": (
        lambda: hf.CanineForSequenceClassification(hf.CanineConfig(**CANINE)),
        "attridex finds no embeddings of tokens in CanineForSequenceClassification",
    ),
    "states of fewer tokens": (lambda: hf.FunnelForSequenceClassification(hf.FunnelConfig(**FUNNEL)), "fails: RuntimeError"),
    "late pooling": (
        lambda: hf.EuroBertForSequenceClassification(hf.EuroBertConfig(**GROUPED, mask_token_id=2, classifier_pooling="late")),
        "puts the outputs of its head at all positions together to one answer",
    ),
}


@pytest.mark.parametrize(("made", "words"), REFUSED.values(), ids=list(REFUSED))
def test_a_model_that_cannot_be_read_is_refused_in_a_line_and_left_as_it_was(made: Any, words: str) -> None:
    torch.manual_seed(0)
    model = made().train()
    with pytest.raises(InputError, match=words) as caught:
        Architecture(model)
    assert "\n" not in str(caught.value)
    assert model.training


class Rounding(nn.Linear):
    """Rounds its inputs, so that its output is not theirs times its weight."""

    def forward(self, x: Tensor) -> Tensor:
        """See `nn.Linear`."""
        return super().forward((x * 4).round() / 4)


class Telling(nn.Linear):
    """Multiplies, by code of its own."""

    def forward(self, x: Tensor) -> Tensor:
        """See `nn.Linear`."""
        return x @ self.weight.T + self.bias


@pytest.mark.parametrize(("kind", "refused"), [(Rounding, True), (Telling, False)])
def test_a_linear_layer_of_a_class_of_its_own_must_multiply(kind: type[nn.Linear], refused: bool) -> None:
    torch.manual_seed(0)
    model = hf.BertForSequenceClassification(hf.BertConfig(**PLAIN)).eval().requires_grad_(False)
    layer = model.bert.encoder.layer[1].attention.output.dense
    layer.__class__ = kind
    settings = GradientsConfig(parameters="linear", projection="none")
    if not refused:
        make_gradients(Architecture(model), OBJECTIVES["sequence-classification"], settings)
        return
    with pytest.raises(
        InputError, match=r"layer\.1\.attention\.output\.dense is a linear layer that does not give its input times"
    ):
        make_gradients(Architecture(model), OBJECTIVES["sequence-classification"], settings)
