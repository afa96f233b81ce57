"""Neurons of mixtures of experts: (layer, expert, unit), against one point and one whole forward at a time."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.neurons.quadrature import Quadrature, quadrature
from attridex.indexer.neurons.rows import packs
from attridex.indexer.neurons.scores import edited_logits
from tests.indexer.mixtures import MIXTURES, loaded, logits, plain_experts, routed_scores
from tests.indexer.oracles import RIEMANN, batch, last_position, scored

ROWS = [[1, 5, 6, 7, 8], [1, 9, 10]]
LONG = [[1, *range(5, 13)], [1, *range(7, 14)]]
"""Longer than gpt-oss's window."""


def plain_scores(arch: Architecture, family: str, ids: list[int], rule: Quadrature) -> Tensor:
    """Scores of the predicted label, through the model's own logits."""
    one = batch([ids])
    with plain_experts(arch, family, {}, {}), torch.no_grad():
        target = int(logits(arch, one).argmax())
    return routed_scores(arch, family, len(ids) - 1, rule, lambda: logits(arch, one).softmax(-1)[target])


@pytest.mark.parametrize("rows", [ROWS, LONG], ids=["short", "long"])
@pytest.mark.parametrize("family", MIXTURES)
def test_scores_equal_the_plain_loop_with_routing_held(
    family: str, rows: list[list[int]], model_dir: Callable[..., Path]
) -> None:
    arch = loaded(family, model_dir)
    assert packs(arch, batch(rows)) == (family != "gpt_oss" or rows is ROWS)
    for rule in (RIEMANN, quadrature("gradient", 1)) if rows is ROWS else (quadrature("gauss-legendre", 2),):
        found = scored(arch, batch(rows), "post", rule)
        expected = torch.stack([plain_scores(arch, family, ids, rule) for ids in rows])
        torch.testing.assert_close(found.scores, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("family", MIXTURES)
def test_units_of_experts_that_the_read_position_is_not_routed_to_are_zero(family: str, model_dir: Callable[..., Path]) -> None:
    arch, held = loaded(family, model_dir), dict[int, Any]()
    one = batch(ROWS[:1])
    with plain_experts(arch, family, {}, held), torch.no_grad():
        arch.model(one.ids, attention_mask=one.mask)
    found = scored(arch, one)
    for layer, (index, _) in held.items():
        own = found.activations[0, layer, : arch.routed].reshape(arch.experts, -1)
        scores = found.scores[0, layer, : arch.routed].reshape(arch.experts, -1)
        routed = set(index[len(ROWS[0]) - 1].tolist())
        for expert in range(arch.experts):
            assert bool(own[expert].any()) == (expert in routed)
            assert expert in routed or not scores[expert].any()


@pytest.mark.parametrize("family", MIXTURES)
def test_edits_equal_the_model_with_these_units_changed_and_tokens_routed_anew(
    family: str, model_dir: Callable[..., Path]
) -> None:
    arch = loaded(family, model_dir)
    torch.manual_seed(1)
    factors = (torch.rand(2, 3, len(arch.layers), arch.width) > 0.4).float()
    factors[:, 0] = 1
    found = edited_logits(arch, batch(ROWS), "post", factors)
    for row, ids in enumerate(ROWS):
        one = batch([ids])
        plain = logits(arch, one)
        torch.testing.assert_close(found[row, 0], plain, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[row, 1], plain, rtol=1e-4, atol=1e-5)
        for edit in (1, 2):
            expected = plain_edit(arch, family, one, factors[row, edit])
            torch.testing.assert_close(found[row, 1 + edit], expected, rtol=1e-4, atol=1e-5)


def plain_edit(arch: Architecture, family: str, one: TokenBatch, factors: Tensor) -> Tensor:
    """Logits of one sequence with the read position's units multiplied by factors [L, F]."""
    changes: dict[tuple[int, int], Any] = {}
    read = one.ids.shape[1] - 1
    with ExitStack() as dense, torch.no_grad():
        for layer in range(len(arch.layers)):
            if arch.mixtures[layer]:
                own = factors[layer, : arch.routed].reshape(arch.experts, -1)
                changes[layer, read] = lambda a, own=own: a * own
            if arch.shared[layer]:
                scale = factors[layer, arch.routed :]
                dense.enter_context(last_position(arch, layer, read, lambda a, scale=scale: a * scale[: len(a)]))
        dense.enter_context(plain_experts(arch, family, changes, {}))
        return logits(arch, one)


@pytest.mark.parametrize("family", MIXTURES)
def test_the_site_before_the_nonlinearity_is_refused(family: str, model_dir: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="not defined for a mixture of experts"):
        loaded(family, model_dir).check_site("pre")
