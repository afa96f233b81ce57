"""Rotary positions whose factors follow from the length of a text (longrope, dynamic NTK), for each text by its own length.

transformers takes the longest text of a batch, and of dynamic NTK the longest seen so far, so that an answer would depend on
what else is asked. Here each sequence of a batch has the factors that it has alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from attridex.indexer.structure.staging import replaced_forward

VARYING = ("dynamic", "longrope")


def varying_rotaries(model: nn.Module) -> list[nn.Module]:
    """Modules whose factors follow from the length of a text."""
    return [module for module in model.modules() if any(one in str(getattr(module, "rope_type", "")) for one in VARYING)]


@contextmanager
def own_factors(rotaries: Sequence[nn.Module], extents: Sequence[int]) -> Iterator[None]:
    """Give each sequence of a batch the factors of its own length.

    Args:
        rotaries: of the model.
        extents: tokens of each sequence's whole text.
    """
    with ExitStack() as stack:
        for module in rotaries:
            stack.enter_context(replaced_forward(module, by_extent(module.forward, extents)))
        yield


def by_extent(forward: Callable[..., Any], extents: Sequence[int]) -> Callable[..., Any]:
    """A rotary module's forward that treats each sequence by its own length."""

    def rotate(x: Tensor, position_ids: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        positions = position_ids.expand(len(extents), -1)
        found: list[tuple[Tensor, ...]] = [()] * len(extents)
        for extent in set(extents):
            rows = [row for row, own in enumerate(extents) if own == extent]
            parts = alone(forward, x, positions[rows], extent, *args, **kwargs)
            for at, row in enumerate(rows):
                found[row] = tuple(part[at] for part in parts)
        return tuple(torch.stack(column) for column in zip(*found, strict=True))

    return rotate


def alone(forward: Callable[..., Any], x: Tensor, positions: Tensor, extent: int, *args: Any, **kwargs: Any) -> list[Tensor]:
    """What a rotary module gives at positions of texts of one length, whatever it was called with before.

    Args:
        forward: the module's own.
        x: for type and device.
        positions: [n, T].
        extent: tokens of the texts.
        args: of the call.
        kwargs: of the call.
    """
    forward(x, torch.zeros_like(positions[:1, :1]), *args, **kwargs)  # a short text puts dynamic NTK back
    last = torch.full_like(positions[:, :1], extent - 1)
    whole = torch.cat([positions.clamp(max=extent - 1), last], 1)  # padding stands further on
    return [part[:, :-1] for part in forward(x, whole, *args, **kwargs)]
