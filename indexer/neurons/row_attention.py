"""Attention of edited copies: each query row sees the shared prefix and itself alone, and nothing else is computed.

A 4-D mask would do the same with R x R scores of which R count. Letters: B instances, H heads, G key-value heads, R rows,
P prefix positions, K = P + R keys, D size of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from attridex.indexer.models.architectures import Architecture
from attridex.indexer.replaying.fusing import Fused

NAME = "attridex_rows"


def row_attention(
    module: nn.Module,
    query: Float[Tensor, "B H R D"],
    key: Float[Tensor, "B G K D"],
    value: Float[Tensor, "B G K D"],
    attention_mask: Bool[Tensor, "B P"],
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Float[Tensor, " H"] | None = None,
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
        softcap: largest score, which tanh leads to (Gemma 2).
        s_aux: of each head the score of a place that has no value (gpt-oss).
        _options: what other implementations need.
    """
    return attended(query, key, value, attention_mask, scaling, softcap, s_aux), None


@Fused
def attended(
    query: Float[Tensor, "B H R D"],
    key: Float[Tensor, "B G K D"],
    value: Float[Tensor, "B G K D"],
    seen: Bool[Tensor, "B P"],
    scaling: float | None,
    softcap: float | None,
    sinks: Float[Tensor, " H"] | None,
) -> Float[Tensor, "B R H D"]:
    """Attention output of edited copies; see `row_attention`.

    Args:
        query: of the rows.
        key: the prefix's, then the rows' own.
        value: likewise.
        seen: True where a prefix position may be seen.
        scaling: of the scores.
        softcap: largest score.
        sinks: of each head the score of a place that has no value.
    """
    size, heads, rows, width = query.shape
    groups, prefix = key.shape[1], seen.shape[1]
    q = query.reshape(size, groups, heads // groups, rows, width) * (width**-0.5 if scaling is None else scaling)
    past, own = key[:, :, None, :prefix], key[:, :, None, prefix:]
    of_past = (q.flatten(2, 3) @ past[:, :, 0].transpose(-1, -2)).reshape(size, groups, heads // groups, rows, prefix)
    scores = capped(torch.cat([of_past, (q * own).sum(-1, keepdim=True)], -1), softcap)
    visible = F.pad(seen, (0, 1), value=True)
    scores = scores.masked_fill(~visible[:, None, None, None], -torch.inf)
    weights = weights_of(scores, sinks).to(query.dtype)
    past_value, own_value = value[:, :, :prefix], value[:, :, None, prefix:]
    mixed = (weights[..., :prefix].flatten(2, 3) @ past_value).reshape(*q.shape[:-1], -1)
    mixed = mixed + weights[..., prefix : prefix + 1] * own_value
    return mixed.reshape(size, heads, rows, -1).transpose(1, 2)


def capped(scores: Float[Tensor, "B G _ R K"], softcap: float | None) -> Float[Tensor, "B G _ R K"]:
    """Scores that tanh leads to a largest one, where the model has one."""
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)


def weights_of(scores: Float[Tensor, "B G N R K"], sinks: Float[Tensor, " H"] | None) -> Float[Tensor, "B G N R _"]:
    """Attention weights in float32; with sinks, of each head the score of a place that has no value, its weight comes last."""
    if sinks is not None:
        own = sinks.to(scores).reshape(1, scores.shape[1], -1, 1, 1).expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, own], -1)
    return scores.softmax(-1, dtype=torch.float32)


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
