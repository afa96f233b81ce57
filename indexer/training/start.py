"""What a training starts from: the pretrained model, cut and given a new head, and how it reads records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attridex.indexer.config import Config, CorpusConfig, ModelConfig, TrainingConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import label_names, rendered
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.families import family_of
from attridex.indexer.models.loading import quiet_transformers, with_weights
from attridex.indexer.models.renderers import Reads, positions, renderer_for, takes_types
from attridex.indexer.models.sources import check_order, check_task, load_hf_config
from attridex.indexer.models.tokenizers import any_tokenizer, vocabulary_of
from attridex.indexer.signing.row_checks import RowChecks
from attridex.indexer.structure.decoding import check_decoder_input, start_token
from attridex.indexer.structure.heads import PROBLEMS, auto_model
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.indexer.training.evaluation import TaskReader

PROBLEM_TYPES = {task: problem for problem, task in PROBLEMS.items() if task != "sequence-classification"}
"""What transformers calls a task in a model's configuration, so that a trained model says what it was trained for."""


@dataclass(frozen=True)
class Start:
    """A pretrained model about to be trained, and how it reads records.

    Attributes:
        reader: of the model.
        renderer: of records.
        tokenizer: the model's.
        rows: checks of rows that hold more than their text, as a build makes them.
    """

    reader: TaskReader
    renderer: Renderer
    tokenizer: Any
    rows: RowChecks

    def instances(self, corpus: CorpusConfig) -> list[RenderedInstance]:
        """A corpus, each instance with its label; see `reading.rendered` and `RowChecks.check` for what it raises."""
        found = [instance for _, instance in rendered(corpus, self.renderer, labels_needed=True)]
        self.rows.check_all(found)
        return found

    def test(self, record: Mapping[str, Any], where: str) -> RenderedInstance:
        """A rendered test; see `Renderer.render` and `RowChecks.check` for what else it raises.

        Raises:
            InputError: it has no label.
        """
        instance = self.renderer.render(record, where)
        if instance.label_name is None:
            raise InputError(f"{where}: a test instance needs a label")
        self.rows.check(instance)
        return instance


def begin(config: Config) -> Start:
    """Load what a training starts from: the same weights, and the same new head, for the same configuration.

    Raises:
        InputError: no [training] section, no such model, or no labels.
    """
    training = training_of(config)
    labels = training_labels(config)
    torch.manual_seed(training.seed)
    arch, tokenizer = base_model(training, config.model, labels)
    hf = arch.model.config
    vocabulary = vocabulary_of(tokenizer, hf, typed=takes_types(arch.model))
    reads = Reads(tokenizer, vocabulary, arch.causal, positions(hf, arch.family), start_token(hf), arch.structure.end)
    renderer = renderer_for(config, labels, reads)
    reader = TaskReader(arch, config.model.task, tokenizer.pad_token_id)
    return Start(reader, renderer, tokenizer, RowChecks(arch))


def training_of(config: Config) -> TrainingConfig:
    """The [training] section.

    Raises:
        InputError: there is none.
    """
    if config.training is None:
        raise InputError('the configuration has no [training] section; it needs at least base = "MODEL"')
    return config.training


def training_labels(config: Config) -> list[str]:
    """The model's outputs, in their order: `corpus.labels`, or else the data's classes; none where records bring their own."""
    if config.model.task in ("multiple-choice", *LANGUAGE_TASKS):
        return []
    if config.corpus.labels is not None:
        if len(set(config.corpus.labels)) != len(config.corpus.labels):
            raise InputError(f"corpus.labels has a name twice: {', '.join(config.corpus.labels)}")
        return config.corpus.labels
    if config.model.task == "regression":
        return ["LABEL_0"]
    if classes := label_names(config.corpus, config.model.task):
        return classes
    raise InputError('corpus.labels is missing: fine-tuning needs the order of the model\'s outputs, as ["negative", "positive"]')


def base_model(training: TrainingConfig, wanted: ModelConfig, labels: Sequence[str]) -> tuple[Architecture, Any]:
    """The pretrained model (a classifier with a new head), cut to its first `layers`, and its tokenizer with a padding token."""
    task, remote_code = wanted.task, wanted.trust_remote_code
    hf = load_hf_config(training.base, None, remote_code=remote_code, setting="training.base")
    family = family_of(auto_model(task, hf), hf, training.base, remote_code=remote_code)
    if training.layers is not None:
        if training.layers > hf.num_hidden_layers:
            raise InputError(f"training.layers = {training.layers}: {training.base} has {hf.num_hidden_layers}")
        hf.num_hidden_layers = training.layers
        if getattr(hf, "layer_types", None):
            hf.layer_types = hf.layer_types[: training.layers]
    tokenizer = any_tokenizer(training.base, None, remote_code=remote_code)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    hf.pad_token_id = tokenizer.pad_token_id
    if task not in LANGUAGE_TASKS:
        check_order(labels, [str(name) for _, name in sorted(hf.id2label.items())])
        hf.problem_type = PROBLEM_TYPES.get(task)
        hf.id2label = dict(enumerate(labels or ["choice"]))
        hf.label2id = {label: number for number, label in hf.id2label.items()}
    check_task(task, family, hf, training.base)
    model = pretrained(training.base, auto_model(task, hf), hf, remote_code=remote_code)
    if task == "seq2seq-lm":
        check_decoder_input(model, tokenizer, training.base)
    return Architecture(model, family, where=training.base), tokenizer


def pretrained(base: str, loads: Any, hf: Any, *, remote_code: bool) -> Any:
    """A pretrained model in float32; what it lacks (a head) is new.

    Args:
        base: where it lies.
        loads: the class of transformers that loads it.
        hf: its configuration, with the outputs that are wanted.
        remote_code: whether code that lies beside the model may run.

    Raises:
        InputError: it has a weight of another size than is wanted, as a head of other outputs.
    """
    with quiet_transformers():
        model, loading = with_weights(loads, base, config=hf, dtype=torch.float32, trust_remote_code=remote_code)
    if odd := sorted(str(entry[0]) for entry in loading["mismatched_keys"]):
        raise InputError(
            f"{base}: the model's {odd[0]} has another size than {hf.num_labels} outputs need; train from a model without a "
            "head, or from one with as many outputs"
        )
    return model
