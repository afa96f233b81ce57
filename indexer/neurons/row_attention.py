"""Attention of edited copies: each query row sees the shared prefix and itself alone, and nothing else is computed.

A 4-D mask would do the same with R x R scores of which R count. Letters: B instances, H heads, G key-value heads, R rows,
P prefix positions, K = P + R keys, D size of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from attridex.indexer.models.architectures import Architecture

NAME = "attridex_rows"


def row_attention(
    module: nn.Module,
    query: Float[Tensor, "B H R D"],
    key: Float[Tensor, "B G K D"],
    value: Float[Tensor, "B G K D"],
    attention_mask: Bool[Tensor, "B P"],
    scaling: float | None = None,
    **_options: Any,
) -> tuple[Float[Tensor, "B R H D"], None]:
    """Attention output of edited copies.

    Args:
        module: the attention layer.
        query: of the rows.
        key: the prefix's, then the rows' own.
        value: likewise.
        attention_mask: True where a prefix position may be seen.
        scaling: of the scores; D ** -0.5 unless given.
        _options: what other implementations need.
    """
    size, heads, rows, width = query.shape
    groups, prefix = key.shape[1], attention_mask.shape[1]
    q = query.reshape(size, groups, heads // groups, rows, width) * (width**-0.5 if scaling is None else scaling)
    past, own = key[:, :, None, :prefix], key[:, :, None, prefix:]
    seen = q.flatten(2, 3) @ past[:, :, 0].transpose(-1, -2)
    seen = seen.reshape(size, groups, heads // groups, rows, prefix)
    seen = seen.masked_fill(~attention_mask[:, None, None, None], -torch.inf)
    weights = torch.cat([seen, (q * own).sum(-1, keepdim=True)], -1).softmax(-1, dtype=torch.float32).to(query.dtype)
    mixed = (weights[..., :prefix].flatten(2, 3) @ value[:, :, :prefix]).reshape(q.shape)
    mixed = mixed + weights[..., prefix:] * value[:, :, None, prefix:]
    return mixed.reshape(size, heads, rows, width).transpose(1, 2), None


AttentionInterface.register(NAME, row_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def fits(arch: Architecture) -> bool:
    """Whether the model's attention can be replaced; BLOOM has its own."""
    return bool(getattr(arch.model, "_supports_attention_backend", False))


@contextmanager
def attending(arch: Architecture, name: str = NAME) -> Iterator[None]:
    """Let the model attend by a registered attention; by rows unless another is named."""
    config: Any = arch.model.config
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
