"""The configuration of a build: TOML, validated once, unknown keys refused with the nearest known one."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from attridex.indexer.adapter_paths import with_base_model
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.files import JsonObject
from attridex.indexer.patterns import matching_files
from attridex.indexer.sections import ENCODED_FORMS, FORM_SETTINGS, FORMS, LONG_FORMS, PAIRED_FORMS, check_hessian, check_idle
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

RENDERING = 3
"""Number of the rules by which records are read now; 1 where an index says none; from 3 on each file of a tokenizer counts."""


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
