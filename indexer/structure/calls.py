"""What a model's modules are called with in a pass, in order, and a pass itself."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from attridex.indexer.errors import AttridexError, InputError, first_line

SEQUENCES, TOKENS = 2, 5
"""Size of the tiny input."""
SPECIAL = "_token_id"
"""Settings of a model's configuration that end so are ids which may mean something to the model itself."""


@dataclass(frozen=True)
class Call:
    """A call of a module.

    Attributes:
        module: that was called.
        began: number of calls that were begun before.
        ended: number of calls that were begun before it ended.
        given: the first tensor that it was called with.
        made: the first tensor that it gave.
        output: all that it gave.
    """

    module: nn.Module
    began: int
    ended: int
    given: Tensor
    made: Tensor
    output: Any

    def holds(self, other: "Call") -> bool:
        """Whether another call was made inside this one."""
        return self.began < other.began and other.ended <= self.ended


def first_tensor(*values: Any) -> Tensor | None:
    """The first tensor among values, looked for in tuples, too."""
    for value in values:
        found = first_tensor(*value) if isinstance(value, tuple | list) else value
        if isinstance(found, Tensor):
            return found
    return None


def with_first(output: Any, states: Tensor) -> Any:
    """A module's output with another first tensor."""
    return type(output)((states, *output[1:])) if isinstance(output, tuple | list) else states


@contextmanager
def recorded(modules: Mapping[nn.Module, bool]) -> Iterator[list[Call]]:
    """Record the calls of modules in the order in which they end.

    Where a module stands for True, its output is cut off from what it was made of: a leaf, as `made` of its call, so that
    gradients tell what follows from it directly.
    """
    calls: list[Call] = []
    began: list[int] = []
    count = [0]

    def enter(_module: nn.Module, _args: Any) -> None:
        began.append(count[0])
        count[0] += 1

    def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        start = began.pop()
        given, made = first_tensor(args, *kwargs.values()), first_tensor(output)
        if given is None or made is None:
            return output
        cut = modules[module] and made.is_floating_point()
        made = made.detach().requires_grad_() if cut else made
        calls.append(Call(module, start, count[0], given, made, output))
        return with_first(output, made.clone()) if cut else output  # some modules add to it in place, which a leaf does not allow

    with ExitStack() as hooks:
        for module in modules:
            hooks.enter_context(module.register_forward_pre_hook(enter))
            hooks.enter_context(module.register_forward_hook(leave, with_kwargs=True))
        yield calls


def named_ids(config: Any) -> set[int]:
    """Ids that a model's configuration names."""
    values = [value for name, value in {**vars(config), **vars(config.get_text_config())}.items() if name.endswith(SPECIAL)]
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return {one for one in flat if isinstance(one, int)}


def vocabulary(model: Any) -> int:
    """Number of ids that a model takes."""
    return int(model.get_input_embeddings().weight.shape[0])


def tiny_ids(model: Any) -> Tensor:
    """Ids [S, T] of the tiny input, none of which the model's configuration names."""
    named = named_ids(model.config)
    free = [number for number in range(min(vocabulary(model), len(named) + 256)) if number not in named] or [0]
    wanted = SEQUENCES * TOKENS
    return torch.tensor([free[(7 * number + 3) % len(free)] for number in range(wanted)]).reshape(SEQUENCES, TOKENS)


def other_id(ids: Tensor, model: Any) -> int:
    """An id that stands nowhere in the tiny input, and is not named in the model's configuration if there is such a one."""
    free = [number for number in range(min(vocabulary(model), ids.numel() + 257)) if number not in set(ids.flatten().tolist())]
    named = named_ids(model.config)
    return next((number for number in free if number not in named), next(iter(free), 0))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Let a model be in evaluation mode."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextmanager
def tried(model: nn.Module, where: str) -> Iterator[None]:
    """Say in one line what a model's own code cannot do.

    Raises:
        InputError: a pass of it raises anything; `where` names the model.
    """
    try:
        yield
    except AttridexError:
        raise
    except Exception as error:  # the model's own code: whatever it raises
        said = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"{where}: a pass of {type(model).__name__} on a tiny input fails: {said}") from error


def takes(module: nn.Module, name: str) -> bool:
    """Whether a module's forward has a parameter of a name."""
    return name in inspect.signature(module.forward).parameters


def run_model(model: nn.Module, ids: Tensor, mask: Tensor | None, **more: Tensor) -> Tensor:
    """The model's own logits; those of a multiple-choice model [S, 1] as of a classifier with one output.

    Args:
        model: of transformers.
        ids: [S, T].
        mask: of the ids; the model is called without one where there is none.
        more: further inputs of that shape.
    """
    if encodes(model) and mask is not None:
        return run_decoder(model, ids, mask)
    lifted = type(model).__name__.endswith("ForMultipleChoice")
    named: dict[str, Any] = {"use_cache": False} if takes(model, "use_cache") else {}
    inputs = {"input_ids": ids, **({} if mask is None else {"attention_mask": mask}), **more}
    logits: Tensor = model(**{name: value[:, None] if lifted else value for name, value in inputs.items()}, **named).logits
    return logits


def run_encoder(model: Any, ids: Tensor, mask: Tensor, **more: Tensor) -> Tensor:
    """The logits of an encoder-decoder model whose decoder is given the tiny input.

    Args:
        model: of transformers.
        ids: that its encoder reads, one sequence.
        mask: of the ids.
        more: further inputs of that shape.
    """
    begun = tiny_ids(model)[:1].to(ids.device)
    logits: Tensor = model(input_ids=ids, attention_mask=mask, decoder_input_ids=begun, use_cache=False, **more).logits
    return logits


def encodes(model: Any) -> bool:
    """Whether a model is an encoder with a decoder, whose parts are those of the decoder."""
    return bool(getattr(model.config, "is_encoder_decoder", False)) and model.get_decoder() is not None


def run_decoder(model: Any, ids: Tensor, mask: Tensor, *, alone: bool = False) -> Tensor:
    """The logits of an encoder-decoder model.

    Args:
        model: of transformers.
        ids: that its decoder is given; its encoder reads the same for every sequence.
        mask: of the ids.
        alone: whether the encoder does not run, where nothing follows from it.
    """
    source = tiny_ids(model)[:1].to(ids.device).expand(len(ids), -1)
    named: dict[str, Any] = {"decoder_input_ids": ids, "decoder_attention_mask": mask, "use_cache": False}
    if alone:
        weight = model.get_input_embeddings().weight
        named["encoder_outputs"] = BaseModelOutput(weight.new_zeros(*source.shape, weight.shape[1]))
    else:
        named["input_ids"] = source
    logits: Tensor = model(attention_mask=torch.ones_like(source), **named).logits
    return logits
