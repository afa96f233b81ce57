"""The configuration of a build: TOML, validated once, unknown keys refused with the nearest known one."""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from attridex.indexer.errors import InputError, nearest

Task = Literal["sequence-classification", "multiple-choice", "causal-lm"]
Projection = Literal["none", "kronecker", "sjlt", "gaussian", "rademacher"]
Curvature = Literal["hessian", "fisher", "kfac", "ekfac", "trak"]
"""Second-order statistics of the training gradients; "trak" is TRAK's kernel."""

Structure = Literal["sq8", "rabitq", "ivf"]
"""Structures for approximate search."""


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Section):
    """The fine-tuned model: a directory, or a name on the Hub; with an `adapter` its base model.

    `checkpoints` are of the same kind: models, or adapters of the same base model.
    """

    path: str
    revision: str | None = None
    adapter: str | None = None
    task: Task = "sequence-classification"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    max_length: int = Field(512, ge=2)
    checkpoints: list[str] = []
    checkpoint_rates: list[float] = []

    @model_validator(mode="after")
    def one_rate_a_checkpoint(self) -> Self:
        """TracIn weights every checkpoint by its learning rate; 1 where none is given."""
        if self.checkpoint_rates and len(self.checkpoint_rates) != len(self.checkpoints):
            raise ValueError(f"{len(self.checkpoint_rates)} checkpoint_rates for {len(self.checkpoints)} checkpoints")
        return self


class CorpusConfig(Section):
    """The training data, and how a record becomes a text."""

    files: list[str] = []
    dataset: str | None = None
    split: str = "train"
    config: str | None = None
    id: str = "id"
    label: str = "label"
    labels: list[str] | None = None
    segments: list[str] = Field(min_length=1)
    choices: str = "choices"
    target: str | None = None
    per_token: bool = False
    truncate: str | None = None
    metadata: list[str] = []

    @model_validator(mode="after")
    def one_source(self) -> Self:
        """Refuse a corpus with no source, or with two."""
        if bool(self.files) == bool(self.dataset):
            raise ValueError('give either files = [...] or dataset = "..."')
        return self


class GradientsConfig(Section):
    """What is kept of an instance's training gradient."""

    parameters: str = "head"
    projection: Projection | None = None
    dim: int = Field(4096, ge=1)
    seed: int = Field(0, ge=0)
    label: Literal["gold", "predicted"] = "gold"
    curvature: list[Curvature] = []

    @model_validator(mode="after")
    def curvature_fits_the_store(self) -> Self:
        """The exact Hessian is defined for the head's own, unprojected gradient, K-FAC for layers that keep their two sides."""
        factored = {"kfac", "ekfac"} & set(self.curvature)
        if factored and self.resolved_projection not in ("none", "kronecker"):
            raise ValueError(
                f'curvature \'{min(factored)}\' needs projection = "none" or "kronecker", this is "{self.resolved_projection}"'
            )
        if "hessian" in self.curvature and (self.parameters != "head" or self.resolved_projection != "none"):
            raise ValueError(
                'curvature \'hessian\' is exact for parameters = "head" with projection = "none" only; use "fisher" here'
            )
        return self

    @property
    def resolved_projection(self) -> Projection:
        """The projection, or its default: none for the head, kronecker for other scopes."""
        if self.projection is not None:
            return self.projection
        return "none" if self.parameters == "head" else "kronecker"


class NeuronsConfig(Section):
    """How neuron scores are taken, and which are kept."""

    enabled: bool = True
    site: Literal["post", "pre", "head"] = "post"
    steps: int = Field(20, ge=2)
    rule: Literal["riemann", "gauss-legendre", "gradient"] = "riemann"
    keep: float = Field(0.1, ge=0, lt=1)
    signature_dim: int = Field(2048, ge=1)


class IndexConfig(Section):
    """How vectors are stored."""

    precision: Literal["auto", "float32", "float16"] = "auto"
    shard_rows: int = Field(4096, ge=1)
    approximate: list[Structure] = []


class EngineConfig(Section):
    """Who does the work."""

    kind: Literal["local"] = "local"
    batch_tokens: int = Field(4096, ge=1)
    threads: int | None = Field(None, ge=1)


class TrainingConfig(Section):
    """`attridex finetune`: the pretrained model and the schedule."""

    base: str
    layers: int | None = Field(None, ge=1)
    epochs: float = Field(1.0, gt=0)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(2e-5, gt=0)
    warmup: float = Field(0.06, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    seed: int = Field(0, ge=0)
    keep_checkpoints: int = Field(0, ge=0)
    test_files: list[str] = []


class Config(Section):
    """A whole configuration file. Relative paths are relative to the file."""

    model: ModelConfig
    corpus: CorpusConfig
    gradients: GradientsConfig = GradientsConfig()
    neurons: NeuronsConfig = NeuronsConfig()
    index: IndexConfig = IndexConfig()
    engine: EngineConfig = EngineConfig()
    training: TrainingConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def scope_of_the_task(cls, data: Any) -> Any:
        """A causal language model has no head of its own: its gradients are of the linear layers unless said otherwise."""
        if not isinstance(data, dict) or not isinstance(data.get("model"), dict) or data["model"].get("task") != "causal-lm":
            return data
        gradients = data.get("gradients", {})
        return {**data, "gradients": {"parameters": "linear", **gradients}} if isinstance(gradients, dict) else data

    @model_validator(mode="after")
    def fits_the_task(self) -> Self:
        """Refuse settings that mean nothing for the task."""
        task, corpus = self.model.task, self.corpus
        if self.gradients.parameters == "adapter" and self.model.adapter is None:
            raise ValueError('gradients.parameters = "adapter": there is no adapter; name one as model.adapter')
        if task == "causal-lm":
            self._check_language_model()
        elif corpus.target is not None or corpus.per_token:
            raise ValueError(f'corpus.target and corpus.per_token are for task = "causal-lm" only, this is "{task}"')
        if task == "multiple-choice" and "{choice}" not in "".join(corpus.segments):
            raise ValueError('corpus.segments: task "multiple-choice" needs a segment that shows {choice}')
        if task != "sequence-classification" and "hessian" in self.gradients.curvature:
            raise ValueError("gradients.curvature: 'hessian' is exact for sequence-classification only; use \"fisher\" here")
        return self

    def _check_language_model(self) -> None:
        if self.corpus.target is None:
            raise ValueError('corpus.target: task "causal-lm" needs the text to predict, as target = "{answer}"')
        if self.gradients.parameters == "head":
            raise ValueError('gradients.parameters = "head" is the last layer of a classifier; use "linear" or "mlp" here')
        if self.gradients.label == "predicted":
            raise ValueError('gradients.label = "predicted": causal-lm has no predicted label, its loss is the target\'s')


def load_config(path: Path) -> Config:
    """Read and validate a configuration file; relative paths in it become absolute.

    Raises:
        InputError: the file is missing, is not TOML, or has an unknown key or a bad value (named).
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such configuration file") from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a configuration file ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return parse_config(data, str(path), path.resolve().parent)


def parse_config(data: dict[str, Any], where: str, base: Path) -> Config:
    """Validate configuration data; `where` names its source in errors, `base` anchors relative paths."""
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {describe(error.errors()[0])}") from None
    return anchored(config, base)


def anchored(config: Config, base: Path) -> Config:
    """Make the paths of a configuration absolute, seen from `base`."""

    def path(value: str) -> str:
        candidate = base / value
        return str(candidate.resolve()) if candidate.exists() or value.startswith((".", "/")) else value

    update: dict[str, Any] = {
        "model": config.model.model_copy(
            update={
                "path": path(config.model.path),
                "adapter": config.model.adapter and path(config.model.adapter),
                "checkpoints": list(map(path, config.model.checkpoints)),
            }
        ),
        "corpus": config.corpus.model_copy(
            update={
                "files": [str((base / name).resolve()) for name in config.corpus.files],
                "dataset": config.corpus.dataset and path(config.corpus.dataset),
            }
        ),
    }
    if config.training:
        update["training"] = config.training.model_copy(
            update={
                "base": path(config.training.base),
                "test_files": [str((base / name).resolve()) for name in config.training.test_files],
            }
        )
    return config.model_copy(update=update)


def describe(error: ErrorDetails) -> str:
    """One line for one validation error: the key, what is wrong, what would be right."""
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        return f"unknown key '{key}': {nearest(location[-1], keys_of(location[:-1]))}"
    if error["type"] == "missing":
        return f"missing key '{key}'"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "literal_error":
        message += f"; this is {error['input']!r}"
    return f"{key}: {message}" if key else message


def keys_of(section: list[str]) -> list[str]:
    """The known keys of a section (or of the top level)."""
    model: type[BaseModel] = Config
    for name in section:
        annotation = model.model_fields[name].annotation
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return list(model.model_fields)
