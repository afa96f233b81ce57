"""The tokenizer of a model: where it lies, what is refused, and what is known of its tokens."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import transformers
from tokenizers import decoders, models
from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.tokenization_utils_base import LARGE_INTEGER

from attridex.indexer.config import Config, CorpusConfig, ModelConfig
from attridex.indexer.errors import InputError, first_line
from attridex.indexer.forms.vocabulary import Vocabulary
from attridex.indexer.models.adapters import SavedAdapter, adapter_directory
from attridex.indexer.task_kinds import Task

SAVED = ("tokenizer_config.json", "tokenizer.json")
"""Files of which every saved tokenizer has one."""
VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.tiktoken", "tekken.json")
"""Files that hold a vocabulary, whatever the tokenizer's class calls its own."""
ENDLESS = 1 << 20
"""Tokens of a model, or of a tokenizer, that takes any number of them."""
UNCUT = 512
"""Tokens of an input at most where nothing is cut, and nothing says otherwise."""
CODE = "trust_remote_code"
"""Stands in what transformers says of code that may not run."""
EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|word_embeddings?|embed_in|tok_embeddings|shared)\.([\w.]+\.)?weight$")
"""Names of the input embedding's weight in a model, and as an adapter saves it."""


def tokenizer_source(model: ModelConfig, rendering: int) -> str:
    """Where a model's tokenizer lies: beside its adapter, if one was saved there, else beside the model.

    Indices whose `rendering` is 1 read by the base model's.
    """
    if model.adapter is None or rendering == 1:
        return model.path
    beside = adapter_directory(model.adapter)
    return str(beside) if any((beside / name).is_file() for name in SAVED) else model.path


def model_tokenizer(model: ModelConfig, rendering: int) -> Any:
    """The tokenizer that a model's texts are read with; see `load_tokenizer` for what it raises."""
    path = tokenizer_source(model, rendering)
    revision = model.revision if path == model.path else None
    return load_tokenizer(path, revision, model.task, remote_code=model.trust_remote_code)


def load_tokenizer(path: str, revision: str | None, task: Task, *, remote_code: bool = False) -> Any:
    """A tokenizer.

    Args:
        path: a directory, or a name on the Hub.
        revision: on the Hub.
        task: what the model decides.
        remote_code: whether the source's own code may run.

    Raises:
        InputError: there is none, or it has no padding token, which a classifier was trained with.
    """
    tokenizer = any_tokenizer(path, revision, remote_code=remote_code)
    if tokenizer.pad_token_id is None and task != "causal-lm":
        raise InputError(
            f"{path}: the tokenizer has no padding token; set one (tokenizer.pad_token = tokenizer.eos_token; "
            "tokenizer.save_pretrained(...)) before fine-tuning, or let `attridex finetune` do it"
        )
    return tokenizer


def any_tokenizer(path: str, revision: str | None, *, remote_code: bool = False) -> Any:
    """A tokenizer, with or without a padding token; `remote_code` lets the source's own code run.

    Raises:
        InputError: there is none, or only a class of tokenizers without the vocabulary of this model.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=remote_code)
    except Exception as error:  # classes of tokenizers raise whatever their missing files lead to
        check_code(str(error), path, "tokenizer")
        if Path(path).is_dir() and not lies_there(path, VOCABULARIES):
            raise InputError(nothing_there(path)) from None
        raise InputError(f"{path}: no tokenizer can be loaded from there: {first_line(error)}") from None
    if not remote_code and has_own_class(
        get_tokenizer_config(path, revision=revision)
    ):  # transformers takes a plain one in its place and says nothing
        check_code(CODE, path, "tokenizer")
    if lacks_vocabulary(tokenizer, path):
        raise InputError(nothing_there(path))
    return tokenizer


def nothing_there(path: str) -> str:
    """What is said of a model without the files of a tokenizer."""
    return (
        f"{path}: no tokenizer lies there (no tokenizer.json or other vocabulary), every text would become unknown tokens; "
        "save the one of the training there: tokenizer.save_pretrained(...)"
    )


def has_own_class(saved: Mapping[str, Any]) -> bool:
    """Whether a tokenizer's settings are of a class of its own, which lies beside it and which transformers does not have."""
    return "AutoTokenizer" in (saved.get("auto_map") or {}) and not hasattr(transformers, str(saved.get("tokenizer_class")))


def check_code(said: str, path: str, what: str) -> None:
    """Refuse code that lies beside a model and may not run, if that is what transformers said.

    Raises:
        InputError: it is.
    """
    if CODE in said:
        raise InputError(
            f"{path}: the {what} comes with Python code of its own; read it, and set model.trust_remote_code = true to run it"
        )


def cuts(corpus: CorpusConfig) -> bool:
    """Whether the tokenizer cuts what is too long."""
    return bool(corpus.truncation or corpus.documents)


def length_of(config: Config, tokenizer: Any) -> int:
    """Tokens that an input is cut to, or may have at most: `model.max_length`, else as a call without `max_length` has it."""
    if config.model.max_length is not None:
        return config.model.max_length
    if not cuts(config.corpus):
        return UNCUT
    own = tokenizer.model_max_length
    return int(own) if own <= LARGE_INTEGER else ENDLESS  # as transformers has it, which then cuts nothing


def lacks_vocabulary(tokenizer: Any, path: str) -> bool:
    """Whether a tokenizer was made without its files: transformers then makes one of special tokens alone."""
    if set(tokenizer.get_vocab().values()) <= set(tokenizer.all_special_ids):
        return True
    names = set(type(tokenizer).vocab_files_names.values())
    if not names or not Path(path).is_dir():
        return False
    return not lies_there(path, (*names, *VOCABULARIES))


def lies_there(path: str, patterns: Iterable[str]) -> bool:
    """Whether a directory holds a file of one of these names."""
    return any(any(Path(path).glob(pattern)) for pattern in patterns)


def vocabulary_of(tokenizer: Any, hf: Any, adapter: SavedAdapter | None = None, *, typed: bool = True) -> Vocabulary:
    """What is known of the tokens of a tokenizer and a model.

    Args:
        tokenizer: of the model.
        hf: the model's own configuration.
        adapter: may bring embeddings of its own.
        typed: whether the model takes token types.
    """
    ends = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    unknown = None if tokenizer.unk_token_id in ends else tokenizer.unk_token_id  # GPT-2 has one token for all of them
    return Vocabulary(
        name=lambda token: str(tokenizer.convert_ids_to_tokens(token)),
        special=frozenset(tokenizer.all_special_ids) - {unknown},
        begins=frozenset((tokenizer.bos_token_id, tokenizer.cls_token_id)) - {None},
        unknown=unknown,
        embeddings=brought(adapter) or getattr(hf.get_text_config(), "vocab_size", None),
        types=(getattr(hf, "type_vocab_size", None) or None) if typed else 0,
        padding=getattr(hf.get_text_config(), "pad_token_id", None),
    )


def text_of_ids(tokenizer: Any) -> Callable[[Sequence[int]], str]:
    """Gives the text of ids, without special tokens: what they part, as the turns of a chat, stands on lines of its own."""
    parting, decode = parting_tokens(tokenizer), with_joined_pieces(tokenizer).decode

    def text(ids: Sequence[int]) -> str:
        runs = (decode(list(run)).strip() for parts, run in groupby(ids, parting.__contains__) if not parts)
        return "\n".join(filter(None, runs))

    return text


def parting_tokens(tokenizer: Any) -> frozenset[int]:
    """Ids of special tokens, but for those that stand for words: the unknown one and the mask."""
    ends = {
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.pad_token_id,
    }
    added = {token for token, own in tokenizer.added_tokens_decoder.items() if own.special}
    return frozenset(added.union(tokenizer.all_special_ids) - ({tokenizer.unk_token_id, tokenizer.mask_token_id} - ends))


def with_joined_pieces(tokenizer: Any) -> Any:
    """A tokenizer that puts word pieces together again, also where its file does not say how."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.decoder is not None or not isinstance(backend.model, models.WordPiece):
        return tokenizer
    joining = copy.deepcopy(tokenizer)
    joining.backend_tokenizer.decoder = decoders.WordPiece(prefix=backend.model.continuing_subword_prefix)
    return joining


def brought(adapter: SavedAdapter | None) -> int | None:
    """Embeddings that an adapter brings in place of the model's; None without any."""
    weights = adapter.weights.items() if adapter else ()
    return next((len(weight) for name, weight in weights if EMBEDDING.search(name) and weight.dim() == 2), None)


def check_padding(tokenizer: Any, vocabulary: Vocabulary, task: Task, where: str) -> None:
    """Refuse a padding token that a classifier has no embedding for; a language model's may be any.

    Args:
        tokenizer: of the model.
        vocabulary: of both.
        task: what the model decides.
        where: names the tokenizer in errors.

    Raises:
        InputError: the padding token is none of the model's.
    """
    token = tokenizer.pad_token_id
    if task != "causal-lm" and token is not None and not vocabulary.embedded(token):
        raise InputError(f"{where}: the tokenizer's padding token {vocabulary.beyond(token)}")


def padding_token(tokenizer: Any, vocabulary: Vocabulary) -> int:
    """The token that fills batches; any that the model has will do for a language model, since it is masked."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return int(next(token for token in known if token is not None and vocabulary.embedded(token)))
