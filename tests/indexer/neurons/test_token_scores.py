"""Scoring all target tokens in one pass gives what scoring them one by one gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attridex.indexer.config import parse_config
from attridex.indexer.models.batches import pad
from attridex.indexer.neurons.own_attention import NAME
from attridex.indexer.neurons.row_attention import attending
from attridex.indexer.neurons.token_scores import near
from attridex.indexer.signing.signer import Signer

FAMILIES = ["opt", "opt-post-norm", "gpt2", "gpt_neox", "llama", "qwen2", "qwen2-window", "gemma"]


def signer(directory: Path, site: str = "post") -> Signer:
    data: dict[str, Any] = {
        "model": {"path": str(directory), "task": "causal-lm"},
        "corpus": {"files": ["x"], "encoded": True},
        "neurons": {"rule": "gradient", "site": site},
        "engine": {"batch_tokens": 64},
    }
    return Signer.load(parse_config(data, "test", directory))


def rows() -> list[dict[str, Any]]:
    """Rows of many lengths, with a loss on all tokens, on some, and on one."""
    made = []
    for length, first, step in ((4, 1, 1), (9, 3, 2), (12, 11, 1), (15, 1, 1), (7, 2, 1)):
        ids = [1, *(3 + (7 * at + length) % 20 for at in range(length - 1))]
        made.append(
            {"input_ids": ids, "labels": [token if at >= first and at % step == 0 else -100 for at, token in enumerate(ids)]}
        )
    made[1]["labels"][1] = 9  # a label that is not the token itself
    return made


@pytest.mark.parametrize("site", ["post", "head"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_of_all_tokens_together_are_those_of_each_alone(family: str, site: str, model_dir: Callable[..., Path]) -> None:
    made = signer(model_dir(family, "causal-lm"), site)
    instances = [made.render(row, "row") for row in rows()]
    assert made.scorer.together
    found = made.sign(instances)
    made.scorer.together = False
    for each, alone in zip(found, made.sign(instances), strict=True):
        for part in ("scores", "activation", "attribution"):
            values, expected = getattr(each, part), getattr(alone, part)
            np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_attention_that_cannot_be_replaced_is_scored_token_by_token(model_dir: Callable[..., Path]) -> None:
    made = signer(model_dir("bloom", "causal-lm"))
    assert not made.scorer.together
    assert made.sign([made.render(row, "row") for row in rows()[:2]])[0].scores is not None


def test_what_another_rounding_changes_as_much_is_the_same_and_what_it_does_not_is_not() -> None:
    alone = torch.ones(3, 2, 4)
    calm, chaotic = alone + 1e-7, alone + 1e-3
    assert near(alone + 2e-4, alone, calm, 1e-3)
    assert not near(alone + 2e-3, alone, calm, 1e-3)
    assert near(alone + 2e-3, alone, chaotic, 1e-3)
    assert not near(alone + 1e-1, alone, chaotic, 1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_says_what_the_plain_one_says_and_no_position_moves_another(family: str, model_dir: Callable[..., Path]) -> None:
    made = signer(model_dir(family, "causal-lm"))
    batch = pad([row["input_ids"] for row in rows()], 0, torch.device("cpu"))
    embeddings: list[torch.Tensor] = []

    def live(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        embeddings.append(output.detach().requires_grad_(True))
        return embeddings[-1]

    plain = made.arch.final_states(batch)
    with attending(made.arch, NAME), made.arch.model.get_input_embeddings().register_forward_hook(live), torch.enable_grad():
        states = made.arch.final_states(batch)
        (gradient,) = torch.autograd.grad(states[3, 9].sum(), embeddings)
    real = batch.mask.bool()
    torch.testing.assert_close(states[real], plain[real], rtol=1e-4, atol=1e-5)
    moved = gradient.abs().sum(-1).nonzero().tolist()
    assert moved in ([[3, 9]], [])  # a body that ends with a norm has a sum that does not move
