"""The renderer of a model: its tokenizer, its special tokens, its longest sequence and the input form."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from attridex.indexer.config import Config
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoded import Encoded
from attridex.indexer.forms.encoding import Form
from attridex.indexer.forms.segments import Segments, SpecialTokens
from attridex.indexer.forms.texts import Texts
from attridex.indexer.models.adapters import read_adapter
from attridex.indexer.models.families import Family
from attridex.indexer.models.sources import load_tokenizer, resolve_labels, task_config


def positions(hf: Any, family: Family) -> int:
    """Longest sequence that a model takes."""
    text = hf.get_text_config()
    told = (getattr(text, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len"))
    limit = int(next(filter(None, told), 1 << 20))
    return limit - hf.pad_token_id - 1 if family.positions_after_padding else limit


def special_tokens(tokenizer: Any, causal: bool) -> SpecialTokens:
    """BOS for causal models; CLS (or BOS) and SEP for encoders; none where the tokenizer has none."""
    first = tokenizer.bos_token_id if causal or tokenizer.cls_token_id is None else tokenizer.cls_token_id
    last = None if causal else tokenizer.sep_token_id
    return SpecialTokens(*(() if token is None else (int(token),) for token in (first, last)))


def make_renderer(config: Config) -> Renderer:
    """The rendering of a configuration with its model's tokenizer; no weights are loaded."""
    adapter = read_adapter(config.model.adapter) if config.model.adapter else None
    hf, family = task_config(config.model, adapter)
    tokenizer = load_tokenizer(config.model.path, config.model.revision, config.model.task)
    limit = min(config.model.max_length, positions(hf, family))
    labels = resolve_labels(config.corpus.labels, hf, config.model.task, config.corpus.rendering)
    return renderer_for(config, labels, tokenizer, family.causal, limit)


def renderer_for(config: Config, labels: Sequence[str], tokenizer: Any, causal: bool, max_length: int) -> Renderer:
    """The rendering with any tokenizer.

    Args:
        config: of corpus and task.
        labels: names of the model's outputs.
        tokenizer: of the model.
        causal: whether the model is a causal one.
        max_length: tokens of a sequence at most.
    """
    return Renderer(config.corpus, form_of(config, tokenizer, causal, max_length), labels, tokenizer.decode)


def form_of(config: Config, tokenizer: Any, causal: bool, limit: int) -> Form:
    """The input form of a corpus; see `renderer_for` for the rest.

    Args:
        config: of corpus and task.
        tokenizer: of the model.
        causal: whether the model is a causal one.
        limit: tokens of a sequence at most.
    """
    corpus, special = config.corpus, special_tokens(tokenizer, causal)
    choices, language = config.model.task == "multiple-choice", config.model.task == "causal-lm"
    match corpus.form:
        case "segments":
            return Segments(corpus, lambda text: plain_ids(tokenizer, text), special, limit, choices=choices)
        case "text" | "pair":
            return Texts(corpus, tokenizer, limit, choices=choices, language=language)
        case "encoded":
            return Encoded(corpus, partial(tokenizer.decode, skip_special_tokens=True), limit, choices=choices, language=language)
    raise InputError(f"corpus.{corpus.form}: this input form is not built yet")


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text without special tokens."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids
