"""What a model's modules are called with in a pass, in order, and a pass itself."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from attridex.indexer.errors import AttridexError, InputError, first_line

SEQUENCES, TOKENS = 2, 5
"""Size of the tiny input."""
LENGTHS = (TOKENS, 3)
"""Real tokens of the tiny padded batch."""
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
    """Number of ids that a model takes.

    Raises:
        InputError: it has no table of them, as one that hashes characters (CANINE).
    """
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (NotImplementedError, AttributeError):
        raise InputError(f"model.path: attridex finds no embeddings of tokens in {type(model).__name__}") from None


def tiny_ids(model: Any) -> Tensor:
    """Ids [S, T] of the tiny input, none of which the model's configuration names, but for an end token that it needs."""
    named = named_ids(model.config)
    free = [number for number in range(min(vocabulary(model), len(named) + 256)) if number not in named] or [0]
    wanted = SEQUENCES * TOKENS
    ids = torch.tensor([free[(7 * number + 3) % len(free)] for number in range(wanted)]).reshape(SEQUENCES, TOKENS)
    if (end := end_token(model)) is not None:
        ids[:, -1] = end
    return ids


def tiny_texts(model: Any, lengths: Sequence[int]) -> list[list[int]]:
    """The beginnings of the tiny input's sequences, of these lengths, each with the end token that the model needs."""
    end = end_token(model)
    rows = zip(tiny_ids(model).tolist(), lengths, strict=True)
    return [ids[:length] if end is None else [*ids[: length - 1], end] for ids, length in rows]


def other_id(ids: Tensor, model: Any) -> int:
    """An id that stands nowhere in the tiny input, and is not named in the model's configuration if there is such a one."""
    free = [number for number in range(min(vocabulary(model), ids.numel() + 257)) if number not in set(ids.flatten().tolist())]
    named = named_ids(model.config)
    return next((number for number in free if number not in named), next(iter(free), 0))


def padding_of(model: Any) -> int:
    """An id that fills up tiny texts: the model's own padding where it looks for that in a text (mBART), else any other."""
    own = getattr(model.config.get_text_config(), "pad_token_id", None) if mirrors(model) else None
    return other_id(tiny_ids(model), model) if own is None else int(own)


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


def uncached(module: nn.Module) -> dict[str, Any]:
    """What a module is called with so that no cache is filled."""
    return {"use_cache": False} if takes(module, "use_cache") else {}


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
    named = uncached(model)
    inputs = {"input_ids": ids, **({} if mask is None else {"attention_mask": mask}), **more}
    logits: Tensor = model(**{name: value[:, None] if lifted else value for name, value in inputs.items()}, **named).logits
    return logits


def run_body(body: nn.Module, ids: Tensor, mask: Tensor, **more: Tensor) -> Any:
    """A pass of a model without its head; no cache is filled.

    Args:
        body: of the model.
        ids: [S, T].
        mask: of the ids.
        more: further inputs of that shape.
    """
    return body(ids, attention_mask=mask, **more, **uncached(body))


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


def has_decoder(model: Any) -> bool:
    """Whether a model is an encoder with a decoder, whose parts are those of the decoder."""
    two_sides = bool(getattr(model.config, "is_encoder_decoder", False)) and takes(model, "decoder_input_ids")
    return two_sides and model.get_decoder() is not None


def encodes(model: Any) -> bool:
    """Whether a model's decoder is given a target, to which its encoder reads a source."""
    return has_decoder(model) and model.get_output_embeddings() is not None


def mirrors(model: Any) -> bool:
    """Whether a model's decoder is given the very text that its encoder reads (BART's and T5's classifiers)."""
    return has_decoder(model) and not encodes(model)


def end_token(model: Any) -> int | None:
    """The token without which a model reads no text: where such a classifier's text ends; None where there is none."""
    return getattr(model.config.get_text_config(), "eos_token_id", None) if mirrors(model) else None


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
        named["encoder_outputs"] = nothing_read(model, source)
    else:
        named["input_ids"] = source
    logits: Tensor = model(attention_mask=torch.ones_like(source), **named).logits
    return logits


def nothing_read(model: Any, source: Tensor) -> BaseModelOutput:
    """What stands for an encoder's states where nothing follows from them."""
    weight = model.get_input_embeddings().weight
    return BaseModelOutput(weight.new_zeros(*source.shape, weight.shape[1]))


def run_decoding(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """The logits of a model whose encoder, if it has one, does not run: of no use where nothing follows from it.

    Args:
        model: of transformers.
        ids: of sequences.
        mask: of their real tokens.
    """
    if mirrors(model):
        outputs = model(input_ids=ids, attention_mask=mask, encoder_outputs=nothing_read(model, ids), **uncached(model))
        logits: Tensor = outputs.logits
        return logits
    return run_decoder(model, ids, mask, alone=True) if encodes(model) else run_model(model, ids, mask)
