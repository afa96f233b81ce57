"""Rotary positions that depend on a text's length are those of each text alone, whatever its batch and what came before."""

from typing import Any

import pytest
import torch
import transformers as hf

from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import pad

FACTORS = {
    "longrope": {"short_factor": [1.0] * 3, "long_factor": [4.0, 6.0, 8.0], "original_max_position_embeddings": 8, "factor": 4.0},
    "dynamic": {"factor": 2.0},
}
ROWS = [[1, *range(5, 5 + length)] for length in (6, 7, 8, 12, 3)]


def model_with(kind: str) -> Any:
    torch.manual_seed(0)
    config = hf.LlamaConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, vocab_size=40, num_labels=3,
        pad_token_id=0, initializer_range=0.3, max_position_embeddings=8 if kind == "dynamic" else 32,
        rope_parameters={"rope_type": kind, "rope_theta": 10000.0, **FACTORS[kind]},
    )  # fmt: skip
    return hf.AutoModelForSequenceClassification.from_config(config).eval().requires_grad_(False)


@pytest.mark.parametrize("kind", FACTORS)
def test_each_text_has_the_answer_that_it_has_alone(kind: str) -> None:
    arch = Architecture(model_with(kind))
    batch = pad(ROWS, 0, torch.device("cpu"))
    found = arch.logits(arch.hidden_states(arch.final_states(batch), batch))
    alone = torch.cat([model_with(kind)(torch.tensor([row])).logits for row in ROWS])
    torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)
