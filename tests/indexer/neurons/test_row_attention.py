"""Attention of rows against a masked softmax over all keys, one query at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from attridex.indexer.neurons.row_attention import attending, fits, row_attention
from tests.indexer.oracles import load


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("scaling", [None, 0.7])
def test_each_row_sees_the_seen_prefix_and_itself_alone(groups: int, scaling: float | None) -> None:
    torch.manual_seed(0)
    size, heads, rows, prefix, width = 2, 4, 3, 5, 6
    query = torch.randn(size, heads, rows, width)
    key, value = (torch.randn(size, groups, prefix + rows, width) for _ in range(2))
    mask = torch.arange(prefix)[None] < torch.tensor([[5], [2]])
    found, _ = row_attention(nn.Identity(), query, key, value, mask, scaling)
    for b in range(size):
        for head in range(heads):
            k, v = key[b, head * groups // heads], value[b, head * groups // heads]
            for row in range(rows):
                seen = torch.cat([mask[b], torch.arange(rows) == row])
                scores = k[seen] @ query[b, head, row] * (width**-0.5 if scaling is None else scaling)
                torch.testing.assert_close(found[b, row, head], scores.softmax(0) @ v[seen], rtol=1e-5, atol=1e-6)


def test_the_model_s_own_attention_comes_back(model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir("opt"))
    before = arch.model.config._attn_implementation
    with attending(arch):
        assert arch.model.config._attn_implementation == "attridex_rows"
    assert arch.model.config._attn_implementation == before
    with pytest.raises(ZeroDivisionError), attending(arch):
        raise ZeroDivisionError
    assert arch.model.config._attn_implementation == before
    assert fits(arch)
    assert not fits(load(model_dir("bloom")))
