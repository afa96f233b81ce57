"""What a model's head reads: which layer it is, of which position's state, and whether positions see only what stands before."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.structure.calls import SEQUENCES, TOKENS, Call

Reads = Literal["first", "last", "each", "whole"]
"""Whose states decide: the first position's, the last real one's, each position's for itself, or all positions' together."""


def linear_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The linear layers of a model, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D)}


def head_call(model: nn.Module, calls: Sequence[Call], body: nn.Module, logits: Tensor) -> Call | None:
    """The call of the layer that gives the logits: the output embedding, else the last linear layer outside of the body.

    Args:
        model: the whole model.
        calls: of linear layers, in their order.
        body: the model without its head.
        logits: that the model gave.
    """
    embedding = getattr(model, "get_output_embeddings", lambda: None)()
    inside = set(body.modules())
    outside = [call for call in calls if call.module not in inside and call.made.shape[-1] == logits.shape[-1]]
    own = [call for call in calls if call.module is embedding and call.made.shape[-1] == logits.shape[-1]]
    return next(reversed(own or outside), None)


def rows_read(logits: Tensor, states: Tensor) -> Tensor:
    """Which positions' states the logits follow from, [S, T], from the leaf of states [S, T, h] or [T, S, h]."""
    (found,) = torch.autograd.grad(logits.float().sum(), [states], retain_graph=True, allow_unused=True)
    read = torch.zeros(states.shape[:2], dtype=torch.bool) if found is None else found.ne(0).any(-1).cpu()
    return read if len(read) == SEQUENCES else read.T


def reads_of(logits: Tensor, states: Tensor, lengths: Sequence[int]) -> Reads:
    """Which states decide, from logits of a padded batch and the leaf of states that they follow from."""
    if logits.dim() == 3 and logits.shape[1] == TOKENS:
        only = rows_read(logits[:, 1], states)
        return "each" if only[:, 1].all() and int(only.sum()) == SEQUENCES else "whole"
    read = rows_read(logits, states)
    places = [row.nonzero()[:, 0].tolist() for row in read]
    if places == [[0]] * SEQUENCES:
        return "first"
    last = [[length - 1] for length in lengths]
    # XLNet reads the end of a batch: its own tokenizer pads on the left.
    return "last" if places in (last, [[TOKENS - 1]] * SEQUENCES) else "whole"
