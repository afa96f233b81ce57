"""Sections of a configuration that say how an index is built: gradients, neurons, storage, work and training; input forms."""

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attridex.indexer.errors import InputError
from attridex.indexer.task_kinds import Task

CLASSIFIER: Task = "sequence-classification"
Projection = Literal["none", "kronecker", "sjlt", "gaussian", "rademacher"]
Curvature = Literal["hessian", "fisher", "kfac", "ekfac", "trak"]
"""Second-order statistics of the training gradients; "trak" is TRAK's kernel."""
FACTORED = frozenset({"kfac", "ekfac"})
"""Those that are made of K-FAC's factors."""

Structure = Literal["sq8", "rabitq", "ivf"]
"""Structures for approximate search."""

FORMS = ("segments", "text", "pair", "messages", "documents", "encoded")
"""Input forms: settings of the corpus that say how a record becomes what the model reads; a corpus has exactly one."""
ENCODED_FORMS = ("messages", "documents", "encoded")
"""Those whose instances an index's columns do not tell: it stores their encodings."""
LONG_FORMS = ("messages", "documents")
"""Those of language models where many tokens of an instance have a loss."""
PAIRED_FORMS = ("text", "pair", "encoded")
"""Those of encoder-decoder models: a source, and what is to follow from it."""
FORM_SETTINGS = {
    "truncate": ("segments",),
    "truncation": ("text", "pair", "messages"),
    "truncation_side": ("text", "pair"),
    "chat_template": ("messages",),
    "tools": ("messages",),
    "chat_template_kwargs": ("messages",),
    "loss_on": ("messages",),
    "stride": ("documents",),
}
"""Settings of the corpus that only some input forms have."""


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True)


class GradientsConfig(Section):
    """What is kept of an instance's training gradient."""

    parameters: str = "head"
    """Whose gradients: "head" (of a classifier), "mlp", "linear", "adapter", or a regular expression over names of layers."""
    projection: Projection | None = None
    """How a gradient is made smaller; none for the head unless given, else kronecker."""
    dim: int = Field(4096, ge=1)
    """Numbers that an instance is given in all, where gradients are projected."""
    seed: int = Field(0, ge=0)
    """Of the projection."""
    label: Literal["gold", "predicted"] = "gold"
    """Whose loss: the given label's, or the predicted one's."""
    curvature: list[Curvature] = []
    """Second-order statistics for `influence`, `lissa` and `trak`, at any damping chosen later. "hessian" is exact, for the
    head of a sequence classifier; "trak" is TRAK's kernel."""

    @model_validator(mode="after")
    def curvature_fits_the_store(self) -> Self:
        """The exact Hessian is defined for the head's own, unprojected gradient, K-FAC for layers that keep their two sides."""
        factored = FACTORED & set(self.curvature)
        if factored and self.resolved_projection not in ("none", "kronecker"):
            raise ValueError(
                f'curvature \'{min(factored)}\' needs projection = "none" or "kronecker", this is "{self.resolved_projection}"'
            )
        if "hessian" in self.curvature and (self.parameters != "head" or self.resolved_projection != "none"):
            raise ValueError(
                'curvature \'hessian\' is exact for parameters = "head" with projection = "none" only; use "fisher" here'
            )
        return self

    def check_regression(self) -> None:
        """Refuse what a loss of numbers does not have."""
        if self.label == "predicted":
            raise ValueError('gradients.label = "predicted": a regression\'s error of its own prediction is 0; use "gold"')
        if "trak" in self.curvature:
            raise ValueError("gradients.curvature: 'trak' is of a label's log-odds, a regression has none; use \"fisher\" here")

    @property
    def resolved_projection(self) -> Projection:
        """The projection, or its default: none for the head, kronecker for other scopes."""
        if self.projection is not None:
            return self.projection
        return "none" if self.parameters == "head" else "kronecker"


class NeuronsConfig(Section):
    """How neuron scores are taken, and which are kept."""

    enabled: bool = True
    """Whether neurons are scored and kept."""
    site: Literal["post", "pre", "head"] = "post"
    """Where a neuron is read: behind the activation function (post), before it (pre), or an attention head (head)."""
    steps: int = Field(20, ge=2)
    """Points of the integral."""
    rule: Literal["riemann", "gauss-legendre", "gradient"] = "riemann"
    """Rule of the integral: the paper's (riemann), gauss-legendre, or one backward pass (gradient)."""
    keep: float = Field(0.1, ge=0, lt=1)
    """An instance keeps the neurons with a score above this share of its largest."""
    signature_dim: int = Field(2048, ge=1)
    """Numbers of a dense signature of activations or scores; projected where there are more neurons."""


class IndexConfig(Section):
    """How vectors are stored."""

    precision: Literal["auto", "float32", "float16"] = "auto"
    """Of stored vectors; auto keeps float32 up to 1 GiB, then float16."""
    shard_rows: int = Field(4096, ge=1)
    """Instances of a range, which is built and written as one."""
    approximate: list[Structure] = []
    """Structures for approximate search, opt-in for each request."""


class EngineConfig(Section):
    """Who does the work."""

    kind: Literal["local", "ray"] = "local"
    """Who builds: this machine, or actors of a Ray cluster."""
    workers: int | None = Field(None, ge=1)
    """Processes that build, each with a model of its own; one unless given, of Ray as many as the cluster has room for."""
    address: str | None = None
    """Ray's cluster, as `ray.init` takes it: `auto`, or `host:port`; RAY_ADDRESS unless given, else this machine alone."""
    worker_cpus: float = Field(1.0, gt=0)
    """Cores that an actor of Ray takes, or a part of one."""
    worker_gpus: float = Field(0.0, ge=0)
    """GPUs that an actor of Ray takes, or a part of one."""
    stall_seconds: float = Field(600.0, gt=0)
    """Seconds without progress after which a worker is taken for lost, and its instances are given to another."""
    batch_tokens: int = Field(4096, ge=1)
    """Tokens of a batch at most."""
    threads: int | None = Field(None, ge=1)
    """Threads of PyTorch, of each worker; all cores unless given, of workers their part."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        own = {name: EngineConfig.model_fields[name].default for name in ("address", "worker_cpus", "worker_gpus")}
        if self.kind != "ray" and (given := [name for name, default in own.items() if getattr(self, name) != default]):
            raise ValueError(f'engine.{given[0]} is for kind = "ray"')
        return self

    @property
    def alone(self) -> bool:
        """Whether this process builds by itself."""
        return self.kind == "local" and (self.workers or 1) == 1

    def here(self) -> "EngineConfig":
        """The same work, done by this process."""
        return EngineConfig(**self.model_dump(include={"batch_tokens", "threads"}, exclude_unset=True))

    def by(self, **others: object) -> "EngineConfig":
        """The same work, done by others, where any of `kind`, `workers` and `address` is given.

        Raises:
            InputError: they do not go together.
        """
        given = {name: value for name, value in others.items() if value is not None}
        try:
            return EngineConfig(**{**self.model_dump(exclude_unset=True), **given})
        except ValidationError as error:
            raise InputError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


class TrainingConfig(Section):
    """`attridex finetune`: the pretrained model and the schedule."""

    base: str
    """The pretrained model: a directory, or a name on the Hub."""
    layers: int | None = Field(None, ge=1)
    """Only the model's first so many layers; all unless given."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the training data."""
    batch_size: int = Field(16, ge=1)
    """Instances of a step."""
    learning_rate: float = Field(2e-5, gt=0)
    """Its peak."""
    warmup: float = Field(0.06, ge=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(0.0, ge=0)
    """Of AdamW."""
    seed: int = Field(0, ge=0)
    """Of the head, the order and dropout."""
    keep_checkpoints: int = Field(0, ge=0)
    """How many checkpoints on the way are kept, for TracIn."""
    test_files: list[str] = []
    """Files of test instances, on which accuracy is measured."""


def check_hessian(model: object, gradients: object) -> None:
    """Refuse the exact Hessian for another task than a classifier's, before anything else that it does not fit is said.

    Raises:
        ValueError: the task is another one.
    """
    if not isinstance(model, dict) or not isinstance(gradients, dict):
        return
    task, curvature = model.get("task", CLASSIFIER), gradients.get("curvature")
    if isinstance(curvature, list) and "hessian" in curvature and task in get_args(Task) and task != CLASSIFIER:
        raise ValueError(
            f'gradients.curvature: \'hessian\' is exact for model.task = "{CLASSIFIER}" only, this is "{task}"; '
            'use "fisher" here, or mend the task where the model is such a classifier'
        )
