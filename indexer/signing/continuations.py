"""What a language model says next: what `model.generate(do_sample=False)` of transformers gives for a prompt."""

from copy import deepcopy
from typing import Any

import torch
from transformers.generation import GenerationMode

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError, first_line
from attridex.indexer.models.loading import LoadedModel, quiet_transformers
from attridex.indexer.structure.rotary import varying_rotaries

OWN = "generate the text yourself and give it as the target"
"""What is right where it is not generated here."""


def continuation(model: Any, prompt: RenderedInstance, count: int, loaded: LoadedModel) -> list[int]:
    """What the model says until it ends its text, as its own generation settings have it; the end is not among the tokens.

    Args:
        model: of transformers.
        prompt: one sequence.
        count: tokens at most.
        loaded: padding and device.

    Raises:
        InputError: the model's settings are not of greedy search, or it cannot generate.
    """
    check_greedy(model)
    ids = torch.tensor((prompt.source,) if prompt.source else prompt.sequences, device=loaded.device)
    more: dict[str, Any] = {"token_type_ids": torch.tensor(prompt.types, device=loaded.device)} if prompt.types else {}
    if prompt.source:
        more["decoder_start_token_id"] = prompt.sequences[0][0]
    begun = 1 if prompt.source else ids.shape[1]  # a decoder begins with a token of its own
    if varying_rotaries(model):
        model(ids[:, :1])  # dynamic NTK forgets the longest text that it has seen
    try:
        with quiet_transformers():
            said = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count, pad_token_id=loaded.pad,
                return_dict_in_generate=False, **more,
            )  # fmt: skip
    except ValueError as error:  # what transformers says of settings
        raise InputError(f"the model's generation settings do not go on from it: {first_line(error)}; {OWN}") from None
    tokens: list[int] = said[0, begun:].tolist()
    ends = ending_tokens(model)
    return tokens[: next((at for at, token in enumerate(tokens) if token in ends), len(tokens))]


def check_greedy(model: Any) -> None:
    """Refuse a model whose own settings let `generate(do_sample=False)` search otherwise than greedily.

    Raises:
        InputError: they do, or it has no `generate`.
    """
    own = deepcopy(getattr(model, "generation_config", None))
    if own is None or not model.can_generate():
        raise InputError(f"{type(model).__name__} has no generate() of transformers; {OWN}")
    own.do_sample = False
    mode = own.get_generation_mode()
    if mode != GenerationMode.GREEDY_SEARCH or own.penalty_alpha:
        found = f"{mode.value.replace('_', ' ')} (num_beams = {own.num_beams or 1})"
        raise InputError(f"the model's generation_config.json sets {found}, not greedy search; {OWN}")


def ending_tokens(model: Any) -> list[int]:
    """Tokens that end a text, by the model's own settings."""
    found = model.generation_config.eos_token_id
    return [] if found is None else list(found) if isinstance(found, list | tuple) else [int(found)]
