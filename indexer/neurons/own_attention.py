"""Attention whose gradients stay at their own position: every other position's keys and values are constants.

Its outputs are those of plain attention. Letters: B sequences, H heads, G key-value heads, T tokens, D size of a head.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from attridex.indexer.neurons.row_attention import capped, weights_of

NAME = "attridex_own"


def own_attention(
    module: nn.Module,
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B G T D"],
    value: Float[Tensor, "B G T D"],
    attention_mask: Bool[Tensor, "B 1 T T"] | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Float[Tensor, " H"] | None = None,
    **_options: Any,
) -> tuple[Float[Tensor, "B T H D"], None]:
    """Attention output of every position.

    A position's score of itself is q k, live in both; of another one it is live in q alone. Values likewise.

    Args:
        module: the attention layer.
        query: of the tokens.
        key: of the tokens.
        value: of the tokens.
        attention_mask: True where a token may be seen; None for all up to its own place.
        scaling: of the scores; D ** -0.5 unless given.
        softcap: largest score, which tanh leads to (Gemma 2).
        s_aux: of each head the score of a place that has no value (gpt-oss).
        _options: what other implementations need.
    """
    size, heads, tokens, width = query.shape
    groups = key.shape[1]
    q = query.reshape(size, groups, heads // groups, tokens, width) * (width**-0.5 if scaling is None else scaling)
    scores = (q.flatten(2, 3) @ key.detach().transpose(-1, -2)).reshape(*q.shape[:-1], tokens)
    own = (q.detach() * key[:, :, None]).sum(-1)
    scores = scores + torch.diag_embed(own - own.detach())
    scores = capped(scores, softcap)
    seen = torch.ones(tokens, tokens, dtype=torch.bool, device=q.device).tril() if attention_mask is None else attention_mask
    # Not -inf: a window leaves padding nothing to see, and what is not a number there would spoil every other place.
    scores = scores.masked_fill(~(seen if seen.dim() == 2 else seen[:, :, None]), torch.finfo(scores.dtype).min)
    weights = weights_of(scores, s_aux).to(query.dtype)[..., :tokens]
    mixed = (weights.flatten(2, 3) @ value.detach()).reshape(*q.shape[:-1], -1)
    mine = weights.diagonal(dim1=-2, dim2=-1)[..., None].detach()
    mixed = mixed + mine * (value - value.detach())[:, :, None]
    return mixed.reshape(size, heads, tokens, -1).transpose(1, 2), None


AttentionInterface.register(NAME, own_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
