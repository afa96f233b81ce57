"""Sections of a configuration: the corpus and its input forms, gradients, neurons, storage, work and training."""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attridex.indexer.errors import InputError
from attridex.indexer.task_kinds import Task

CLASSIFIER: Task = "sequence-classification"
Projection = Literal["none", "kronecker", "sjlt", "gaussian", "rademacher"]
Curvature = Literal["hessian", "fisher", "kfac", "ekfac", "trak"]
"""Second-order statistics of the training gradients; "trak" is TRAK's kernel."""
FACTORED = frozenset({"kfac", "ekfac"})
"""Those that are made of K-FAC's factors."""

Structure = Literal["sq8", "rabitq", "ivf", "cagra"]
"""Structures for approximate search."""

RENDERING = 3
"""Number of the rules by which records are read now; 1 where an index says none; from 3 on each file of a tokenizer counts."""

FORMS = ("segments", "text", "pair", "messages", "documents", "encoded")
"""Input forms: settings of the corpus that say how a record becomes what the model reads; a corpus has exactly one."""
ENCODED_FORMS = ("messages", "documents", "encoded")
"""Those whose instances an index's columns do not tell: it stores their encodings."""
LONG_FORMS = ("messages", "documents")
"""Those of language models where many tokens of an instance have a loss."""
PARTED_FORMS, DOCUMENT = ("documents", "encoded"), "document"
"""Those of which a record may give several instances, and the column with the id of the record that an instance is a part of."""
PAIRED_FORMS = ("text", "pair", "encoded")
"""Those of encoder-decoder models: a source, and what is to follow from it."""
SOURCES = ("files", "dataset", "split", "config", "streaming")
"""Settings of the corpus that say where its records lie."""
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


class CorpusConfig(Section):
    """The training data, and how a record becomes a text."""

    files: list[str] = []
    """JSONL, JSON, CSV, TSV or Parquet, also packed (.gz, .zst, .bz2, .xz); patterns as "data/*.jsonl" too. Either these or a
    `dataset`."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """Between the columns of CSV and TSV; a comma or a tab unless given."""
    quoting: Literal["minimal", "none"] | None = None
    """Of CSV and TSV: "minimal" where quotes may stand around values, "none" where they belong to them; a TSV with quotes
    must say it."""
    dataset: str | None = None
    """A dataset of the Hub, or a directory that `datasets` saved or reads."""
    split: str = "train"
    """Split of the dataset."""
    config: str | None = None
    """Configuration of the dataset."""
    streaming: bool = False
    """Read the dataset as it comes, without keeping a copy of it on the disk."""
    skip_bad: bool = False
    """Leave out records that cannot be used, and list them; refused unless given, as `attridex build --skip-bad` does."""
    id: str = "id"
    """Column of the ids; "" numbers the instances."""
    label: str = "label"
    """Column of the label: an output's name, or its number where no output is named by a number; of choices the right one's own
    label, or its number from 0."""
    labels: list[str] | None = None
    """Names of the model's outputs, in their order; the model's own unless given, and never in another order than those."""
    segments: list[str] = []
    """Input form: format strings over the columns, tokenised one by one and put together behind the first special token."""
    text: str | None = None
    """Input form: a format string over the columns, given to the tokenizer as `tokenizer(text)`; of a language model every
    token has a loss, or with a `target` those that `tokenizer(text + target)` adds."""
    pair: list[str] = []
    """Input form: two columns (or format strings), given to the tokenizer as `tokenizer(first, second)`, with token types."""
    messages: str | None = None
    """Input form: a column of chat messages, read by the tokenizer's chat template."""
    documents: str | None = None
    """Input form of causal-lm: a column of long texts, read in windows of `model.max_length` tokens."""
    encoded: bool = False
    """Input form: columns `input_ids`, `labels` and others that a Trainer's own dataset has."""
    choices: str = "choices"
    """For multiple-choice: column with the list of choices, which the input form shows as `{choice}` (a pair as `choice`); with
    labels of their own as `{"text": [...], "label": [...]}`."""
    target: str | None = None
    """For causal-lm and seq2seq-lm: format string of the text to predict."""
    per_token: bool = False
    """For causal-lm: index every target token by itself, as `ID#0`, `ID#1`."""
    truncate: str | None = None
    """Column whose segment is shortened, from its end, where an instance is too long; refused unless given."""
    truncation: Literal["longest_first", "only_first", "only_second"] | bool = False
    """For text, pair and messages: how an input that is too long is shortened, as the tokenizer does it; refused unless given."""
    truncation_side: Literal["left", "right"] | None = None
    """Side from which the tokenizer shortens; its own unless given."""
    chat_template: str | None = None
    """For messages: a file with a chat template in place of the tokenizer's own; the index keeps the template itself."""
    tools: str | None = None
    """For messages: a column with the tools that the chat template is given; "" where it is given none of a column `tools`."""
    chat_template_kwargs: str | None = None
    """For messages: a column with what else the chat template is given, by name; "" for none, as of `tools`."""
    loss_on: Literal["assistant", "last", "all"] = "assistant"
    """For messages: whose tokens have a loss: all turns of the assistant, its last one, or every token."""
    loss_on_padding: bool | None = None
    """For causal-lm: whether the tokenizer's padding token has a loss where it stands in a text, as EOS where that pads; false is
    what DataCollatorForLanguageModeling does. It has one unless this is false; the build says so where it is not given."""
    word_pieces: Literal["first", "all"] = "first"
    """For token-classification: whether a word's label is that of its first token, or of all."""
    stride: int = Field(0, ge=0)
    """For documents: tokens that a window shares with the one before; they are context and have no loss."""
    metadata: list[str] = []
    """Columns that are kept for filters and SQL."""
    rendering: int = Field(RENDERING, ge=1, le=RENDERING)
    """Number of the rules by which records are read; an index keeps the number that it was begun with."""

    @property
    def form(self) -> str:
        """Name of the input form."""
        return next(name for name in FORMS if getattr(self, name))

    @property
    def keeps_encodings(self) -> bool:
        """Whether an index stores what the model reads of each instance."""
        return self.form in ENCODED_FORMS

    @model_validator(mode="after")
    def one_form(self) -> Self:
        """Refuse a corpus that does not say how a record becomes an input, or says it twice."""
        given = [name for name in FORMS if getattr(self, name)]
        if len(given) != 1:
            found = f"this has {' and '.join(given)}" if given else "this has none"
            raise ValueError(f"exactly one input form is needed ({', '.join(FORMS)}); {found}")
        if self.form == "messages" and isinstance(self.truncation, str):
            raise ValueError("truncation of messages is true or false: whole turns are left out, the oldest first")
        if self.form == "pair" and (len(self.pair) != 2 or not all(self.pair)):
            raise ValueError(f'pair = ["first", "second"] names two columns; this is {self.pair}')
        return self

    @model_validator(mode="after")
    def truncation_of_the_form(self) -> Self:
        """Refuse a truncation that the tokenizer's call would not make of this form, or that nothing asks for."""
        if self.truncation_side is not None and not self.truncation:
            raise ValueError("truncation_side says nothing without truncation; set truncation = true too")
        if self.truncation in ("only_first", "only_second") and self.form != "pair":
            raise ValueError(f'truncation = "{self.truncation}" is for a pair; of {self.form} use true')
        return self

    @property
    def template_columns(self) -> dict[str, str]:
        """Columns that a chat template is given, by their settings; a record may lack them."""
        named = {"tools": self.tools, "chat_template_kwargs": self.chat_template_kwargs}
        return {setting: column for setting, column in named.items() if column}

    @property
    def shown(self) -> str:
        """All templates of the input form, for a look at what they show."""
        return " ".join([*self.segments, self.text or "", *(part if "{" in part else f"{{{part}}}" for part in self.pair)])

    @model_validator(mode="after")
    def settings_of_the_form(self) -> Self:
        """Refuse a setting of another input form, which would say nothing."""
        for name, forms in FORM_SETTINGS.items():
            if self.form not in forms and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is for {' and '.join(forms)} only; the input form of this is {self.form}")
        return self

    @model_validator(mode="after")
    def one_source(self) -> Self:
        """Refuse a corpus with no source, or with two."""
        if bool(self.files) == bool(self.dataset):
            raise ValueError('give either files = [...] or dataset = "..."')
        if self.files and self.streaming:
            raise ValueError("streaming = true is for a dataset; files are never copied")
        return self


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
    """Of stored vectors; auto keeps a kind of vector float32 up to 1 GiB, then float16."""
    shard_rows: int = Field(4096, ge=1)
    """Instances of a range, which is built and written as one."""
    approximate: list[Structure] = []
    """Structures for approximate search, opt-in for each request."""


BATCH_TOKENS = 4096
"""Tokens of a batch, where nothing else is said."""
RAY_ONLY = {"address", "worker_cpus", "worker_gpus"}
"""Settings of the engine that Ray alone reads."""


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
    worker_gpus: float | None = Field(None, ge=0)
    """GPUs that an actor of Ray takes, or a part of one; one unless given, where there are some and the model may use it."""
    stall_seconds: float = Field(600.0, gt=0)
    """Seconds without progress after which a worker is taken for lost, and its instances are given to another."""
    batch_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = BATCH_TOKENS
    """Tokens of a batch at most; auto takes as many as fit into half of the free memory, once, when a build begins."""
    graphs: bool = True
    """Whether a GPU's passes are recorded, as CUDA graphs, and replayed, where that can be done and gives the same."""
    threads: int | None = Field(None, ge=1)
    """Threads of PyTorch, of each worker; all cores unless given, of workers their part."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        own = {name: EngineConfig.model_fields[name].default for name in sorted(RAY_ONLY)}
        if self.kind != "ray" and (given := [name for name, default in own.items() if getattr(self, name) != default]):
            raise ValueError(f'engine.{given[0]} is for kind = "ray"')
        return self

    @property
    def tokens(self) -> int:
        """Tokens of a batch at most, as long as nothing is known of the memory too."""
        return BATCH_TOKENS if self.batch_tokens == "auto" else self.batch_tokens

    @property
    def alone(self) -> bool:
        """Whether this process builds by itself."""
        return self.kind == "local" and (self.workers or 1) == 1

    def here(self) -> "EngineConfig":
        """The same work, done by this process."""
        return EngineConfig(**self.model_dump(include={"batch_tokens", "graphs", "threads"}, exclude_unset=True))

    def by(self, **others: object) -> "EngineConfig":
        """The same work, done by others, where any of `kind`, `workers` and `address` is given.

        Raises:
            InputError: they do not go together.
        """
        given = {name: value for name, value in others.items() if value is not None}
        own = self.model_dump(exclude_unset=True, exclude=RAY_ONLY if given.get("kind") == "local" else None)
        try:
            return EngineConfig(**{**own, **given})
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
