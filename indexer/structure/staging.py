"""Running what stands behind a model's blocks, by the model's own code, on states that are given.

The blocks are passed by: the last one gives the states. So final norms, poolers and heads need no description of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from attridex.indexer.structure.calls import first_tensor, run_decoding, with_first


@contextmanager
def replaced_forward(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Let a module do something else; its hooks stay."""
    own = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


@contextmanager
def passed_by(firings: Sequence[nn.Module], outputs: Sequence[Any], states: Tensor) -> Iterator[None]:
    """Let blocks pass on what they are given, and the last one give `states`.

    Args:
        firings: the blocks in the order in which they are called; one that is shared stands there more than once.
        outputs: what they gave in a traced pass, for the kind of output.
        states: [S, T, h], or [T, S, h] as the blocks have it.
    """
    done = [0]

    def skip(*args: Any, **kwargs: Any) -> Any:
        at = done[0]
        done[0] += 1
        given = first_tensor(args, *kwargs.values())
        if given is None or at == len(firings) - 1:
            return with_first(outputs[at], widened(states, given))
        return with_first(outputs[at], given)

    with ExitStack() as stack:
        for block in dict.fromkeys(firings):
            stack.enter_context(replaced_forward(block, skip))
        yield


def widened(states: Tensor, given: Tensor | None) -> Tensor:
    """States as long as a block was given them: some models fill up each text to whole windows (Longformer)."""
    longer = 0 if given is None or states.dim() < 3 else given.shape[1] - states.shape[1]
    return F.pad(states, (0, 0, 0, longer)) if longer > 0 else states


@contextmanager
def padding_id(config: Any, token: int) -> Iterator[None]:
    """Let the model take an id for padding, and no other."""
    text = config.get_text_config()
    before = getattr(text, "pad_token_id", None)
    text.pad_token_id = token
    try:
        yield
    finally:
        text.pad_token_id = before


class HeadReachedError(Exception):
    """Ends a pass where the head is reached: what comes behind it is not wanted, and does not take what the head is given."""


class HeadReached:
    """Stands in for a head, keeps what it is given, and ends the pass."""

    inputs: Tensor | None = None

    def __call__(self, x: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        """In place of the head."""
        self.inputs = x
        raise HeadReachedError


def head_inputs(model: nn.Module, head: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """What a head is given in a pass; the blocks are passed by (see `passed_by`).

    Args:
        model: the whole model.
        head: its last linear layer.
        ids: of sequences.
        mask: of their real tokens.
    """
    reached = HeadReached()
    with replaced_forward(head, reached), suppress(HeadReachedError):
        run_decoding(model, ids, mask)
    if reached.inputs is None:
        raise RuntimeError("the head was not reached")
    return reached.inputs
