"""Cross-entropy of target tokens with the gradient in the hidden states taken at once, a stretch of tokens at a time.

The logits of a large vocabulary are the largest tensor of a language model's pass; they are made once, used and dropped.
Letters: N target tokens, h hidden size, V vocabulary.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attridex.indexer.replaying.fusing import Fused
from attridex.indexer.structure.logits import PLAIN, LogitRule

LOGITS = 1 << 25
"""Logits that are held at a time."""
SURE = 1e-7
"""Stands for 1 - p where float32 cannot tell it from 0."""


class TokenLosses(NamedTuple):
    """Cross-entropy of each token, and the most probable one in its place."""

    cost: Float[Tensor, " N"]
    greedy: Int[Tensor, " N"]


def token_losses(
    head: nn.Module, hidden: Float[Tensor, "N h"], tokens: Int[Tensor, " N"], rule: LogitRule = PLAIN
) -> TokenLosses:
    """The losses of tokens at hidden states.

    Args:
        head: the output embedding.
        hidden: states that it reads.
        tokens: the tokens that come.
        rule: what becomes of its output.
    """
    weight = head.get_parameter("weight")
    if weight.requires_grad:  # fine-tuning: the head learns too
        logits = rule(head(hidden).float())
        return TokenLosses(F.cross_entropy(logits, tokens, reduction="none"), logits.argmax(1))
    apply: Any = TokenLoss.apply  # untyped in some builds of torch, typed in others
    return TokenLosses(*apply(hidden, weight, getattr(head, "bias", None), tokens, rule))


class TokenLoss(torch.autograd.Function):
    """The loss of each token, differentiable in the hidden states alone."""

    @staticmethod
    def forward(
        context: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, tokens: Tensor, rule: LogitRule
    ) -> tuple[Tensor, Tensor]:
        """See `token_losses`.

        Args:
            context: of autograd.
            hidden: states that the head reads [N, h].
            weight: of the head [V, h].
            bias: of the head [V].
            tokens: the tokens that come [N].
            rule: what becomes of the head's output.
        """
        rows = max(1, LOGITS // len(weight))
        stretches = zip(hidden.split(rows), tokens.split(rows), strict=True)
        parts = [stretch_losses(h, weight, bias, t, rule, differentiable=context.needs_input_grad[0]) for h, t in stretches]
        cost, greedy, gradient, size = (torch.cat(pieces) for pieces in zip(*parts, strict=True))
        context.save_for_backward(gradient, size)
        context.mark_non_differentiable(greedy)
        return cost, greedy

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        """(softmax - y) W for each token, times what its loss counts."""
        gradient, size = context.saved_tensors
        return gradient * (gradients[0] * size)[:, None].to(gradient), None, None, None, None


class StretchLosses(NamedTuple):
    """Losses of a stretch of tokens, most probable tokens, and the losses' gradients in the hidden states divided by a size.

    The size is 1, but 1 - p for float16 models: errors would vanish where the model is sure.
    """

    cost: Float[Tensor, " N"]
    greedy: Int[Tensor, " N"]
    gradient: Float[Tensor, "M h"]
    size: Float[Tensor, " N"]


@Fused
def stretch_losses(
    hidden: Float[Tensor, "N h"],
    weight: Float[Tensor, "V h"],
    bias: Float[Tensor, " V"] | None,
    tokens: Int[Tensor, " N"],
    rule: LogitRule = PLAIN,
    *,
    differentiable: bool,
) -> StretchLosses:
    """The losses of a stretch of tokens.

    Args:
        hidden: states that the head reads.
        weight: of the head.
        bias: of the head.
        tokens: the tokens that come.
        rule: what becomes of the head's output.
        differentiable: whether gradients are wanted; none are given else (M is 0, not N).
    """
    logits = rule(F.linear(hidden, weight, bias).float())
    greedy, at = logits.argmax(1), tokens[:, None]
    own = logits.gather(1, at)
    # log(1 + e^-margin), not log-sum-exp minus the logit, which has none of its digits left where p is near 1.
    margin = own[:, 0] - logits.scatter_(1, at, -torch.inf).logsumexp(1)
    logits.scatter_(1, at, own)
    cost = F.softplus(-margin)
    total = own[:, 0] + cost
    if not differentiable:
        return StretchLosses(cost, greedy, hidden.new_zeros(0, hidden.shape[1]), cost)
    size = (-torch.expm1(-cost)).clamp(min=SURE) if weight.dtype == torch.float16 else torch.ones_like(cost)
    slope = rule.slope(logits)
    error = logits.sub_((total + size.log())[:, None]).exp_()
    # p - 1 at the token, with its digits where p is near 1.
    error.scatter_(1, at, (torch.expm1(-cost) / size)[:, None])
    if not rule.plain:
        error *= slope
    return StretchLosses(cost, greedy, error.to(weight.dtype) @ weight, size)
