"""Knowing a model again: hashes of its files, of its tokenizer's, of its checkpoints'."""

import hashlib
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.config import RENDERING, Config, ModelConfig
from attridex.indexer.files import file_hash
from attridex.indexer.models.adapters import FILES as ADAPTER_FILES
from attridex.indexer.models.adapters import adapter_directory
from attridex.indexer.models.checkpoints import at_checkpoint
from attridex.indexer.models.tokenizers import tokenizer_source

WEIGHTS = ("*.safetensors", "*.bin", "config.json")
TOKENIZER = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model", "added_tokens.json")
OTHER_TOKENIZERS = (
    "tekken.json", "*.tiktoken", "*.spm", "*.tokenizer", "*vocab*.json", "bpe.codes", "dict.txt", "emoji.json", "word_*.json",
    "byte_maps.json",
)  # fmt: skip
"""Further files of tokenizers, which count from rendering 3 on: older indices were built without a look at them."""
CODE = ("*.py",)
"""Code of a model's own, which counts where it may run."""

CHAT = ("chat_template*", "additional_chat_templates/*")
"""Files of chat templates, which count where chats are read by them."""


class ModelIdentity(NamedTuple):
    """SHA-256 of what an index's content depends on: of the model, its tokenizer, and each checkpoint."""

    model: str
    tokenizer: str
    checkpoints: list[str]

    def difference(self, model: str, tokenizer: str, checkpoints: Sequence[str]) -> str:
        """What is another here than in hashes that are wanted, with both; empty where all are the same."""
        wanted = ("weights and configuration", self.model, model), ("tokenizer", self.tokenizer, tokenizer)
        steps = [("checkpoints", *pair) for pair in zip_longest(self.checkpoints, checkpoints)]
        other = next(((what, own, wanted) for what, own, wanted in (*wanted, *steps) if own != wanted), None)
        return "" if other is None else f"{other[0]}: {other[1]} there, {other[2]} in the index"


def model_identity(model: ModelConfig, rendering: int = RENDERING, *, chats: bool = False) -> ModelIdentity:
    """The identity of a model as it lies there now, with the tokenizer that reads texts (and `chats`) for it."""
    checkpoints = [model_hash(at_checkpoint(model, path)) for path in model.checkpoints]
    source = tokenizer_source(model, rendering)
    directory = model_directory(model) if source == model.path else Path(source)
    patterns = (*TOKENIZER, *(OTHER_TOKENIZERS if rendering > 2 else ()), *(CHAT if chats else ()))
    return ModelIdentity(model_hash(model), files_hash(directory, patterns), checkpoints)


def config_identity(config: Config) -> ModelIdentity:
    """The identity of a configuration's model, as its corpus is read for it."""
    corpus = config.corpus
    return model_identity(config.model, corpus.rendering, chats=corpus.messages is not None and not corpus.chat_template)


def model_hash(model: ModelConfig) -> str:
    """Identity of the model's weights and configuration, and of its adapter's."""
    own = files_hash(model_directory(model), (*WEIGHTS, *(CODE if model.trust_remote_code else ())))
    if model.adapter is None:
        return own
    return hashlib.sha256(f"{own} {files_hash(adapter_directory(model.adapter), ADAPTER_FILES)}".encode()).hexdigest()


def model_directory(model: ModelConfig) -> Path:
    """The directory that holds the model's files: the path itself, or the Hub's cached snapshot."""
    if Path(model.path).is_dir():
        return Path(model.path)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model.path, revision=model.revision, local_files_only=True))


def files_hash(directory: Path, patterns: Sequence[str]) -> str:
    """SHA-256 over names and contents of the files that match."""
    files = sorted({path for pattern in patterns for path in directory.glob(pattern) if path.is_file()})
    return hashlib.sha256(json.dumps([[path.name, file_hash(path)] for path in files]).encode()).hexdigest()
