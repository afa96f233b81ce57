"""The configuration of a build: TOML, validated once, unknown keys refused with the nearest known one."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from attridex.indexer.adapter_paths import with_base_model
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.files import JsonObject
from attridex.indexer.patterns import matching_files
from attridex.indexer.sections import LONG_FORMS, PAIRED_FORMS, check_hessian
from attridex.indexer.sections import RENDERING as RENDERING
from attridex.indexer.sections import CorpusConfig as CorpusConfig
from attridex.indexer.sections import Curvature as Curvature
from attridex.indexer.sections import EngineConfig as EngineConfig
from attridex.indexer.sections import GradientsConfig as GradientsConfig
from attridex.indexer.sections import IndexConfig as IndexConfig
from attridex.indexer.sections import NeuronsConfig as NeuronsConfig
from attridex.indexer.sections import Projection as Projection
from attridex.indexer.sections import Section as Section
from attridex.indexer.sections import Structure as Structure
from attridex.indexer.sections import TrainingConfig as TrainingConfig
from attridex.indexer.task_kinds import LANGUAGE_TASKS, Task


class ModelConfig(Section):
    """The fine-tuned model: a directory, or a name on the Hub; with an `adapter` its base model.

    `checkpoints` are of the same kind: models, or adapters of the same base model.
    """

    path: str
    """The fine-tuned model: a directory, or a name on the Hub; with an `adapter`, its base model. An adapter's directory alone
    is read as transformers reads it: it names its base model itself."""
    revision: str | None = None
    """Revision of a model on the Hub."""
    adapter: str | None = None
    """A PEFT adapter of the model: a directory, or a name on the Hub."""
    quantization: dict[str, Any] | None = None
    """How the model is quantised as it is loaded, as transformers says it: `{load_in_4bit = true, bnb_4bit_quant_type = "nf4"}`;
    for a base model that was so in the training. A model that was saved quantised says it itself."""
    task: Task = "sequence-classification"
    """What the model decides."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights; losses, sums and stored vectors are float32 whatever it is."""
    tf32: bool = False
    """Whether products of float32 are taken by a GPU's tensor cores, which round what they multiply to 11 bits (TF32); on a CPU
    they never are."""
    device: str = "auto"
    """A device of PyTorch, as "cpu"; "auto" takes a GPU where there is one."""
    trust_remote_code: bool = False
    """Whether Python code that lies beside the model may run, for models that transformers does not have."""
    max_length: int | None = Field(None, ge=2)
    """Tokens of an instance at most, and what it is cut to where it is cut. Unless given: where the tokenizer cuts (`truncation`,
    `documents`) its own `model_max_length`, as in a call without `max_length`; else 512."""
    checkpoints: list[str] = []
    """For TracIn: directories of the training's checkpoints, models or adapters of the same base model; `attridex finetune`
    names those it kept."""
    checkpoint_rates: list[float] = []
    """Their learning rates; as `attridex finetune` wrote them beside the checkpoints unless given, else 1."""

    @model_validator(mode="after")
    def one_rate_a_checkpoint(self) -> Self:
        """TracIn weights every checkpoint by its learning rate; 1 where none is given."""
        if self.checkpoint_rates and len(self.checkpoint_rates) != len(self.checkpoints):
            raise ValueError(f"{len(self.checkpoint_rates)} checkpoint_rates for {len(self.checkpoints)} checkpoints")
        return self


class Config(Section):
    """A whole configuration file. Relative paths are relative to the file."""

    model: ModelConfig
    """The fine-tuned model."""
    corpus: CorpusConfig
    """The training data."""
    gradients: GradientsConfig = GradientsConfig()
    """What is kept of gradients."""
    neurons: NeuronsConfig = NeuronsConfig()
    """What is kept of neurons."""
    index: IndexConfig = IndexConfig()
    """How it is stored."""
    engine: EngineConfig = EngineConfig()
    """Who does the work."""
    training: TrainingConfig | None = None
    """How the model is trained, for `attridex finetune` and for studies that retrain."""

    @model_validator(mode="before")
    @classmethod
    def scope_of_the_task(cls, data: Any) -> Any:
        """A language model has no head of its own: its gradients are of the linear layers unless said otherwise."""
        model = data.get("model") if isinstance(data, dict) else None
        check_hessian(model, data.get("gradients") if isinstance(data, dict) else None)
        if not isinstance(model, dict) or model.get("task") not in LANGUAGE_TASKS:
            return data
        gradients = data.get("gradients", {})
        return {**data, "gradients": {"parameters": "linear", **gradients}} if isinstance(gradients, dict) else data

    @model_validator(mode="before")
    @classmethod
    def rule_of_the_form(cls, data: Any) -> Any:
        """Where many tokens have a loss, neurons are scored by one backward pass unless said otherwise."""
        if not isinstance(data, dict) or not isinstance(data.get("corpus"), dict) or not any(map(data["corpus"].get, LONG_FORMS)):
            return data
        neurons = data.get("neurons", {})
        return {**data, "neurons": {"rule": "gradient", **neurons}} if isinstance(neurons, dict) else data

    @property
    def scores_by_gradient(self) -> bool:
        """Whether neurons are scored by one backward pass where the input form makes that the default."""
        return self.neurons.enabled and self.neurons.rule == "gradient" and self.corpus.form in LONG_FORMS

    @model_validator(mode="after")
    def fits_the_task(self) -> Self:
        """Refuse settings that mean nothing for the task."""
        task, corpus = self.model.task, self.corpus
        if self.gradients.parameters == "adapter" and self.model.adapter is None:
            raise ValueError(
                'gradients.parameters = "adapter": there is no adapter; give its directory as model.path or model.adapter'
            )
        if corpus.form in LONG_FORMS and task != "causal-lm":
            raise ValueError(f'corpus.{corpus.form} is for task = "causal-lm" only, this is "{task}"')
        if task in LANGUAGE_TASKS:
            self._check_language_model()
        elif corpus.target is not None or (corpus.per_token and task != "token-classification"):
            raise ValueError(f'corpus.target and corpus.per_token are for language models only, this is "{task}"')
        if corpus.loss_on_padding is not None and task != "causal-lm":
            raise ValueError(f'corpus.loss_on_padding is for task = "causal-lm" only, this is "{task}"')
        if task == "multiple-choice" and not corpus.encoded and "{choice}" not in corpus.shown:
            raise ValueError(f'corpus.{corpus.form}: task "multiple-choice" needs each choice to be shown, as {{choice}}')
        if task == "regression":
            self.gradients.check_regression()
        if task == "seq2seq-lm":
            self._check_encoder_decoder()
        if task == "token-classification" and corpus.form not in ("text", "encoded"):
            raise ValueError(f'task "token-classification" reads words, as corpus.text = "{{tokens}}"; this has {corpus.form}')
        return self

    def _check_encoder_decoder(self) -> None:
        """Refuse input forms that are not a source and a target."""
        if self.corpus.form not in PAIRED_FORMS or self.corpus.per_token:
            found = "per_token" if self.corpus.form in PAIRED_FORMS else self.corpus.form
            raise ValueError(f'task "seq2seq-lm" reads text or pair with a target, or encoded rows, whole; this has {found}')

    def skipping(self, bad: bool) -> Self:
        """The same, leaving out records that cannot be used where `bad` says so."""
        return self.model_copy(update={"corpus": self.corpus.model_copy(update={"skip_bad": True})}) if bad else self

    def with_tokens(self, tokens: int) -> Self:
        """The same, with so many tokens of a batch at most."""
        return self.model_copy(update={"engine": self.engine.model_copy(update={"batch_tokens": tokens})})

    def _check_language_model(self) -> None:
        corpus, task = self.corpus, self.model.task
        paired = task == "seq2seq-lm" and corpus.form in ("text", "pair")
        if corpus.form in (*LONG_FORMS, "encoded", "pair") and corpus.target is not None and not paired:
            raise ValueError(f"corpus.target is for segments and text; {corpus.form} says itself what has a loss")
        if corpus.target is None and (corpus.form == "segments" or paired):
            raise ValueError(f'corpus.target: task "{task}" needs the text to predict, as target = "{{answer}}"')
        if self.gradients.parameters == "head":
            raise ValueError('gradients.parameters = "head" is the last layer of a classifier; use "linear" or "mlp" here')
        if self.gradients.label == "predicted":
            raise ValueError(
                f'gradients.label = "predicted": {self.model.task} has no predicted label, its loss is the target\'s'
            )


class Idle(NamedTuple):
    """A setting that nobody reads in some configurations.

    Attributes:
        name: of its section and its own.
        unread: whether nobody reads it in a configuration.
        reason: behind "says nothing here, ".
    """

    name: str
    unread: Callable[[Config], bool]
    reason: str


UNNAMED = ("multiple-choice", *LANGUAGE_TASKS)
"""Tasks whose outputs no setting names."""
IDLE = (
    Idle("model.revision", lambda config: Path(config.model.path).is_dir(), "it is of a model on the Hub"),
    Idle("corpus.split", lambda config: config.corpus.dataset is None, "files have no splits; give the files that are meant"),
    Idle("corpus.config", lambda config: config.corpus.dataset is None, "it is of a dataset, files have none"),
    Idle("corpus.delimiter", lambda config: not reads_tables(config.corpus.files), "no file is CSV or TSV"),
    Idle("corpus.quoting", lambda config: not reads_tables(config.corpus.files), "no file is CSV or TSV"),
    Idle("corpus.label", lambda config: labels_nothing(config), "a language model's loss is that of its target"),
    Idle("corpus.labels", lambda config: config.model.task in UNNAMED, "each record brings the outputs of this task itself"),
    Idle("corpus.choices", lambda config: not offers_choices(config), 'it is for task = "multiple-choice" of texts'),
    Idle("corpus.word_pieces", lambda config: not reads_words(config), 'it is for task = "token-classification" of words'),
    Idle("gradients.dim", lambda config: keeps_gradients(config), 'gradients are kept whole (projection = "none")'),
    Idle("gradients.seed", lambda config: keeps_gradients(config), 'gradients are kept whole (projection = "none")'),
)  # fmt: skip


def reads_tables(files: Sequence[str]) -> bool:
    """Whether one of some files is CSV or TSV, packed or not."""
    return any(suffix in (".csv", ".tsv") for name in files for suffix in Path(name.lower()).suffixes[-2:])


def labels_nothing(config: Config) -> bool:
    """Whether no record has a label beside its target; that of encoded rows is what a target is called there."""
    return config.model.task in LANGUAGE_TASKS and not config.corpus.encoded


def offers_choices(config: Config) -> bool:
    """Whether records have choices in a column of their own."""
    return config.model.task == "multiple-choice" and not config.corpus.encoded


def reads_words(config: Config) -> bool:
    """Whether words are split into tokens here."""
    return config.model.task == "token-classification" and not config.corpus.encoded


def keeps_gradients(config: Config) -> bool:
    """Whether gradients are not projected."""
    return config.gradients.resolved_projection == "none"


def check_idle(config: Config, where: str) -> None:
    """Refuse a setting that is given and that nobody would read; an index that was built with one is read as before.

    Args:
        config: the whole configuration, its paths absolute.
        where: names its source.

    Raises:
        InputError: there is one.
    """
    for name, unread, reason in IDLE:
        section, _, key = name.partition(".")
        values: Section = getattr(config, section)
        if getattr(values, key) != type(values).model_fields[key].default and unread(config):
            raise InputError(f"{where}: {name} says nothing here, {reason}; leave it out")


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


def parse_config(data: JsonObject, where: str, base: Path) -> Config:
    """Validate configuration data; `where` names its source in errors, `base` anchors relative paths."""
    try:
        config = Config.model_validate(with_base_model(data, base))
    except ValidationError as error:
        raise InputError(f"{where}: {describe(error.errors()[0])}") from None
    found = anchored(config, base)
    check_idle(found, where)
    return found


def stored(data: Mapping[str, Any]) -> JsonObject:
    """Configuration data as an index stores it: one that does not say by which rules it reads records is of number 1."""
    corpus = data.get("corpus")
    return {**data, "corpus": {"rendering": 1, **corpus}} if isinstance(corpus, Mapping) else dict(data)


def anchored(config: Config, base: Path) -> Config:
    """Make the paths of a configuration absolute, seen from `base`."""

    def path(value: str) -> str:
        candidate = base / value
        return str(candidate.resolve()) if candidate.exists() or value.startswith((".", "/")) else value

    def files(names: list[str], setting: str) -> list[str]:
        found = [str(path) for name in names for path in matching_files(base, name, setting)]
        if twice := [name for name in dict.fromkeys(found) if found.count(name) > 1]:
            raise InputError(f"{setting}: {twice[0]} stands twice")
        return found

    model, corpus, training = config.model, config.corpus, config.training
    places = {"path": path(model.path), "adapter": model.adapter and path(model.adapter)}
    sources = {"files": files(corpus.files, "corpus.files"), "dataset": corpus.dataset and path(corpus.dataset)}
    update: dict[str, Section] = {
        "model": model.model_copy(update={**places, "checkpoints": list(map(path, model.checkpoints))}),
        "corpus": corpus.model_copy(update=sources),
    }
    if corpus.chat_template is not None:
        update["corpus"] = update["corpus"].model_copy(update={"chat_template": template_text(base, corpus.chat_template)})
    if training:
        own = {"base": path(training.base), "test_files": files(training.test_files, "training.test_files")}
        update["training"] = training.model_copy(update=own)
    return config.model_copy(update=update)


def template_text(base: Path, given: str) -> str:
    """A chat template, of a file seen from `base` unless it is one itself.

    Raises:
        InputError: there is no such file.
    """
    if "{" in given:
        return given
    try:
        return (base / given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"corpus.chat_template: {base / given}: cannot be read as a chat template ({error})") from None


def describe(error: ErrorDetails) -> str:
    """One line for one validation error: the key, what is wrong, what would be right."""
    # What pydantic calls a kind of a union ("literal[...]", "bool") is no key.
    location = [str(part) for part in error["loc"] if isinstance(part, int) or (part.isidentifier() and part != "bool")]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        return f"unknown key '{key}': {nearest(location[-1], keys_of(location[:-1]))}"
    if error["type"] == "missing":
        return f"missing key '{key}'"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "literal_error" or error["type"].endswith("_type"):
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
