"""What the decoder of an encoder-decoder model is given for a target: its start token, then the target but its last token."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from attridex.indexer.errors import InputError, first_line
from attridex.indexer.structure.calls import evaluating, tiny_ids

PREPARE = "prepare_decoder_input_ids_from_labels"
"""What transformers' own collator asks a model that it is given."""


def start_token(hf: Any) -> int | None:
    """The token that the decoder of an encoder-decoder model begins with."""
    found = getattr(hf, "decoder_start_token_id", None)
    return None if found is None else int(found)


def check_decoder_input(model: Any, tokenizer: Any, where: str) -> None:
    """Refuse a model that makes other decoder inputs of labels than one start token before them.

    Args:
        model: of transformers.
        tokenizer: its own, which puts its tokens before or behind a target.
        where: names the model in errors.

    Raises:
        InputError: it does.
    """
    start = start_token(model.config)
    for row in tiny_ids(model).tolist():
        target = target_ids(tokenizer, row, where)
        wanted = [start, *target[:-1]]
        odd = next((given for given in decoder_inputs(model, target, where) if given != wanted), None)
        if odd is not None:
            raise InputError(
                f"{where}: of labels that end in token {target[-1]}, {type(model).__name__} makes a decoder input that begins "
                f"with {odd[0]}, not with its decoder_start_token_id ({start}); attridex reads decoders that begin with one "
                "token, always the same"
            )


def target_ids(tokenizer: Any, ids: Sequence[int], where: str) -> list[int]:
    """What the tokenizer makes of some tokens' text as a target; those tokens where it makes nothing of it.

    Raises:
        InputError: it cannot read a target.
    """
    try:
        made: list[int] = tokenizer(text_target=tokenizer.decode(ids), verbose=False)["input_ids"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # as of one that needs a language first
        raise InputError(f"{where}: the tokenizer cannot read a target: {type(error).__name__}: {first_line(error)}") from None
    return made or list(ids)


@torch.no_grad()
def decoder_inputs(model: Any, target: Sequence[int], where: str) -> list[list[int]]:
    """Decoder inputs that a model makes of labels: in its own pass, and for a collator.

    Args:
        model: of transformers.
        target: the labels.
        where: names the model in errors.

    Raises:
        InputError: it makes none.
    """
    found: list[Tensor] = []

    def watch(_module: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        found.append(named["input_ids"] if named.get("input_ids") is not None else args[0])

    device = next(model.parameters()).device
    labels = torch.tensor([target], device=device)
    hook = model.get_decoder().register_forward_pre_hook(watch, with_kwargs=True)
    try:
        with evaluating(model):
            model(input_ids=tiny_ids(model)[:1].to(device), labels=labels)
            if hasattr(model, PREPARE):
                found.append(getattr(model, PREPARE)(labels))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{where}: a pass of {type(model).__name__} on labels fails: {first_line(error)}") from None
    finally:
        hook.remove()
    return [ids[0].tolist() for ids in found]
