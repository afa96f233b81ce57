"""What a language model says next: its greedy continuation of a prompt."""

from typing import Any

import torch
from transformers import GenerationConfig

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.loading import LoadedModel, quiet_transformers


def continuation(model: Any, prompt: RenderedInstance, count: int, loaded: LoadedModel) -> list[int]:
    """The most probable next token, again and again, until the model ends its text; its end is not among them.

    Args:
        model: with a `generate` of transformers.
        prompt: one sequence.
        count: tokens at most.
        loaded: padding, device and tokenizer.
    """
    read = (prompt.source,) if prompt.source else prompt.sequences
    ids, ends = torch.tensor(read, device=loaded.device), ending_tokens(model, loaded.tokenizer)
    begun = 1 if prompt.source else ids.shape[1]  # a decoder begins with a token of its own
    greedy = GenerationConfig(
        do_sample=False, num_beams=1, max_new_tokens=count, pad_token_id=loaded.pad, eos_token_id=ends or None,
        decoder_start_token_id=prompt.sequences[0][0] if prompt.source else None,
    )  # fmt: skip
    types = {"token_type_ids": torch.tensor(prompt.types, device=loaded.device)} if prompt.types else {}
    with quiet_transformers():
        said = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy, **types)[0, begun:]
    tokens: list[int] = said.tolist()
    return tokens[: next((at for at, token in enumerate(tokens) if token in ends), len(tokens))]


def ending_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end a text, of the model's own settings or else of its tokenizer."""
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = tokenizer.eos_token_id if own is None else own
    return [] if found is None else list(found) if isinstance(found, list | tuple) else [int(found)]
