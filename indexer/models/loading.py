"""Loading a model and its tokenizer, and knowing them again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.activations import NewGELUActivation
from transformers.models.bloom.modeling_bloom import BloomGelu
from transformers.utils import logging as transformers_logging

from attridex.indexer.config import Config, ModelConfig, Task
from attridex.indexer.corpus.rendering import Renderer, SpecialTokens
from attridex.indexer.errors import InputError
from attridex.indexer.files import TRAINING_RECORD
from attridex.indexer.models.adapters import CONFIG as ADAPTER_CONFIG
from attridex.indexer.models.adapters import FILES as ADAPTER_FILES
from attridex.indexer.models.adapters import LowRank, SavedAdapter, adapter_directory, merged, read_adapter
from attridex.indexer.models.architectures import Architecture, Family, family_of

WEIGHTS = ("*.safetensors", "*.bin", "config.json")
TOKENIZER = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model", "added_tokens.json")


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be attributed: evaluation mode, parameters frozen."""

    arch: Architecture
    pad: int
    labels: list[str]
    family: str
    device: torch.device
    tokenizer: Any


def load_model(config: Config, checkpoint: str | None = None) -> LoadedModel:
    """Load the model of a configuration, or one of its checkpoints.

    Raises:
        InputError: no model there, an unknown family, no padding token, labels that do not fit the outputs.
    """
    wanted = config.model if checkpoint is None else at_checkpoint(config.model, checkpoint)
    adapter = read_adapter(wanted.adapter) if wanted.adapter else None
    hf, family = task_config(wanted, adapter)
    check_task(wanted.task, family, hf, wanted.path)
    labels = resolve_labels(config.corpus.labels, hf, wanted.task)
    tokenizer = load_tokenizer(config.model.path, config.model.revision, wanted.task)
    device = resolve_device(wanted.device)
    with quiet_transformers():
        model, loading = auto_model(wanted.task).from_pretrained(
            wanted.path,
            revision=wanted.revision,
            config=hf,
            dtype=getattr(torch, wanted.dtype),
            output_loading_info=True,
            ignore_mismatched_sizes=adapter is not None,
        )
    check_trained(wanted, loading, adapter)
    factors: dict[str, LowRank] = {}
    if adapter:
        model, factors = merged(model, adapter, factors=config.gradients.parameters == "adapter")
    fuse_activations(model)
    model.eval().requires_grad_(False).to(device)
    for pair in factors.values():
        nn.ModuleList([pair.a, pair.b]).requires_grad_(False).to(device)
    arch = Architecture(model, family, factors)
    if config.neurons.enabled:
        arch.check_site(config.neurons.site)
    return LoadedModel(arch, padding_token(tokenizer), labels, hf.model_type, device, tokenizer)


def at_checkpoint(model: ModelConfig, checkpoint: str) -> ModelConfig:
    """The same model at a checkpoint of its training: a model, or an adapter where the model has one."""
    return model.model_copy(update={"adapter": checkpoint} if model.adapter else {"path": checkpoint, "revision": None})


def checkpoint_rates(model: ModelConfig) -> list[float]:
    """TracIn's weight of each checkpoint: as configured, or the learning rate that `attridex finetune` wrote beside it; else 1.

    Raises:
        InputError: only some checkpoints say their learning rate.
    """
    if model.checkpoint_rates:
        return model.checkpoint_rates
    rates = [recorded_rate(Path(checkpoint)) for checkpoint in model.checkpoints]
    known = [rate for rate in rates if rate is not None]
    if len(known) == len(rates):
        return known
    if known:
        silent = model.checkpoints[rates.index(None)]
        raise InputError(f"model.checkpoints: {silent} does not say its learning rate as others do; give model.checkpoint_rates")
    return [1.0] * len(rates)


def recorded_rate(checkpoint: Path) -> float | None:
    """The learning rate at a checkpoint that `attridex finetune` kept."""
    path = checkpoint / TRAINING_RECORD
    rate = json.loads(path.read_text(encoding="utf-8")).get("learning_rate") if path.is_file() else None
    return None if rate is None else float(rate)


def task_config(model: ModelConfig, adapter: SavedAdapter | None) -> tuple[Any, Family]:
    """The model's own configuration, with as many outputs as the adapter's head has, and its family.

    Raises:
        InputError: there is none, or its family is not known here.
    """
    hf = load_hf_config(model.path, model.revision)
    family = family_of(hf.model_type, model.path)
    outputs = adapter.outputs(family.head) if adapter else None
    if outputs is not None and outputs != hf.num_labels:
        hf.num_labels = outputs
    return hf, family


def check_trained(model: ModelConfig, loading: Any, adapter: SavedAdapter | None) -> None:
    """Refuse weights that neither the model nor its adapter has.

    Raises:
        InputError: a weight is missing, or of another size.
    """
    lost = {*loading["missing_keys"], *(entry[0] for entry in loading["mismatched_keys"])}
    missing = sorted(lost - set(adapter.weights if adapter else ()))
    if missing and adapter:
        raise InputError(
            f"{model.path}: neither the model nor its adapter {adapter.where} has a trained {missing[0]}; "
            "train the adapter with the head among its modules_to_save"
        )
    if missing:
        raise InputError(
            f"{model.path}: the model has no trained {missing[0]}; "
            "fine-tune it first (`attridex finetune`), a new head answers at random"
        )


def fuse_activations(model: nn.Module) -> None:
    """Let PyTorch's own kernel compute the tanh form of GELU, which these modules write out in several passes."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | BloomGelu):
                setattr(module, name, nn.GELU("tanh"))


def auto_model(task: Task) -> Any:
    """The class that loads a task's model."""
    return AutoModelForCausalLM if task == "causal-lm" else AutoModelForSequenceClassification


def check_task(task: Task, family: Family, hf: Any, where: str) -> None:
    """Refuse a model that cannot do a task.

    Raises:
        InputError: an encoder as a language model, or a multiple-choice model with several outputs.
    """
    if task == "causal-lm" and not family.causal:
        raise InputError(f'{where}: a {hf.model_type} model is an encoder; task "causal-lm" needs a causal language model')
    if task == "multiple-choice" and hf.num_labels != 1:
        raise InputError(f'{where}: the model has {hf.num_labels} outputs; task "multiple-choice" scores each choice by one')


def padding_token(tokenizer: Any) -> int:
    """The token that fills batches; any will do for a language model, since it is masked."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return int(next(token for token in known if token is not None))


class quiet_transformers:  # noqa: N801 - reads as a statement
    """Keep transformers' progress bars and warnings off the terminal while a model loads."""

    def __enter__(self) -> None:
        """Remember the verbosity and silence it."""
        self._verbosity = transformers_logging.get_verbosity()
        self._bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()

    def __exit__(self, *_error: object) -> None:
        """Put it back."""
        transformers_logging.set_verbosity(self._verbosity)
        if self._bars:
            transformers_logging.enable_progress_bar()


def check_source(path: str, revision: str | None) -> None:
    """Refuse a model that is neither a directory nor on the Hub, at once and without retries.

    Raises:
        InputError: no such directory, and the Hub does not have it or does not answer.
    """
    if Path(path).is_dir():
        if (Path(path) / ADAPTER_CONFIG).is_file():
            raise InputError(f"{path}: a PEFT adapter; give its base model as model.path and this as model.adapter")
        return
    if Path(path).is_absolute() or path.startswith("."):
        raise InputError(f"{path}: no such model directory")
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        if try_to_load_from_cache(path, "config.json", revision=revision):
            return
        HfApi().model_info(path, revision=revision, timeout=10)
    except HFValidationError:
        raise InputError(f"{path}: no such model directory (seen from the configuration file), and no name on the Hub") from None
    except Exception as error:  # no network, no such model, no right to see it: one answer
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: no such model directory, and not to be had from the Hub: {reason}") from None


def load_hf_config(path: str, revision: str | None) -> Any:
    """The model's own configuration.

    Raises:
        InputError: there is none.
    """
    check_source(path, revision)
    try:
        return AutoConfig.from_pretrained(path, revision=revision)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no model can be loaded from there (model.path): {str(error).splitlines()[0]}") from None


def load_tokenizer(path: str, revision: str | None, task: Task) -> Any:
    """The model's tokenizer.

    Raises:
        InputError: there is none, or it has no padding token, which a classifier was trained with.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no tokenizer can be loaded from there: {str(error).splitlines()[0]}") from None
    if tokenizer.pad_token_id is None and task != "causal-lm":
        raise InputError(
            f"{path}: the tokenizer has no padding token; set one (tokenizer.pad_token = tokenizer.eos_token; "
            "tokenizer.save_pretrained(...)) before fine-tuning, or let `attridex finetune` do it"
        )
    return tokenizer


def resolve_labels(wanted: list[str] | None, hf: Any, task: Task) -> list[str]:
    """Names of the model's outputs, in their order; none where each record brings its own (choices, targets).

    Raises:
        InputError: `corpus.labels` has another length than the model has outputs, or a name twice.
    """
    if task != "sequence-classification":
        return []
    own = [str(hf.id2label[number]) for number in range(hf.num_labels)]
    if wanted is None:
        return own
    if len(wanted) != len(own):
        raise InputError(f"corpus.labels names {len(wanted)} labels ({', '.join(wanted)}); the model has {len(own)} outputs")
    if len(set(wanted)) != len(wanted):
        raise InputError(f"corpus.labels has a name twice: {', '.join(wanted)}")
    return list(wanted)


def resolve_device(name: str) -> torch.device:
    """The device to run on; "auto" takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f'model.device: \'{name}\' is no device; use "auto", "cpu" or "cuda"') from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError('model.device: no CUDA GPU here; use "auto" or "cpu"')
    return device


def positions(hf: Any) -> int:
    """Longest sequence that the model takes; RoBERTa counts its positions from after the padding index."""
    limit = int(getattr(hf, "max_position_embeddings", None) or getattr(hf, "n_positions", None) or 1 << 20)
    return limit - hf.pad_token_id - 1 if hf.model_type == "roberta" else limit


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
    limit = min(config.model.max_length, positions(hf))
    labels = resolve_labels(config.corpus.labels, hf, config.model.task)
    return renderer_for(config, labels, tokenizer, family.causal, limit)


def renderer_for(config: Config, labels: Sequence[str], tokenizer: Any, causal: bool, max_length: int) -> Renderer:
    """The rendering with any tokenizer: segments are tokenised alone, without special tokens."""

    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    special = special_tokens(tokenizer, causal)
    return Renderer(config.corpus, labels, tokenize, special, max_length, config.model.task, tokenizer.decode)


def resolve_directory(model: ModelConfig) -> Path:
    """The directory that holds the model's files: the path itself, or the Hub's cached snapshot."""
    if Path(model.path).is_dir():
        return Path(model.path)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model.path, revision=model.revision, local_files_only=True))


def files_hash(directory: Path, patterns: Sequence[str]) -> str:
    """SHA-256 over names and contents of the files that match."""
    files = sorted({path for pattern in patterns for path in directory.glob(pattern) if path.is_file()})
    listing = []
    for path in files:
        with path.open("rb") as stream:
            listing.append([path.name, hashlib.file_digest(stream, "sha256").hexdigest()])
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def model_hash(model: ModelConfig) -> str:
    """Identity of the model's weights and configuration, and of its adapter's."""
    own = files_hash(resolve_directory(model), WEIGHTS)
    if model.adapter is None:
        return own
    return hashlib.sha256(f"{own} {files_hash(adapter_directory(model.adapter), ADAPTER_FILES)}".encode()).hexdigest()


def checkpoint_hashes(model: ModelConfig) -> list[str]:
    """Identities of the checkpoints."""
    return [model_hash(at_checkpoint(model, path)) for path in model.checkpoints]


def tokenizer_hash(model: ModelConfig) -> str:
    """Identity of the tokenizer."""
    return files_hash(resolve_directory(model), TOKENIZER)
