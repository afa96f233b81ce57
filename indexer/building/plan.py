"""The plan of a build: what every range of an index is made from, fixed before any model work.

plan(N, shard_rows) is deterministic, and a range's content follows from the plan alone: any worker may build any range,
in any order, again.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from attridex.indexer.approximate.on_gpus import check_graphs
from attridex.indexer.building.load import Sampler
from attridex.indexer.building.memory import fitting_tokens
from attridex.indexer.config import Config, CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.survey import Survey, survey
from attridex.indexer.corpus.tally import Tally
from attridex.indexer.curvature.matrices import check_size
from attridex.indexer.errors import InputError, brief
from attridex.indexer.files import JsonObject, replace_file
from attridex.indexer.index.layout import LOCK, MOST_ROWS, PLAN, SOURCE, shard_name
from attridex.indexer.index.records import read_sealed, seal
from attridex.indexer.index.vectors import resolve_precision
from attridex.indexer.models.checkpoints import checkpoint_rates
from attridex.indexer.models.identity import ModelIdentity
from attridex.indexer.models.renderers import make_renderer, with_class_names, with_length
from attridex.indexer.signing.row_checks import Samples
from attridex.indexer.signing.signer import Signer

NEWER = (
    "text", "pair", "messages", "documents", "encoded", "truncation", "truncation_side", "chat_template", "tools", "loss_on",
    "stride", "word_pieces", "chat_template_kwargs",
)  # fmt: skip
"""Settings of the corpus that plans of older indices do not have."""


CORPUS = frozenset(("corpus", "instances", "columns"))
"""Settings of a plan that follow from the rows of the corpus."""


class Prepared(NamedTuple):
    """A build that may begin, with a sample of its corpus, and the seconds that reading it once took."""

    plan: "Plan"
    signer: Signer
    sampler: Sampler
    reading: float


class InstanceRange(NamedTuple):
    """Instances [start, stop) of the corpus: one shard."""

    start: int
    stop: int


class Batch(NamedTuple):
    """What a later batch of an index has beside the settings of every build.

    Attributes:
        batch: its number, from 2 on.
        action: "append" or "update".
        start: where the names of its shards begin.
        since: entries of the log of deletes that do not concern its rows.
        first_record: number of its first record, which is its id where records have none of their own.
        built: instances of the first build, by which the precision of vectors was settled.
        skip_bad: whether records that cannot be used were left out.
        files: of its corpus.
    """

    batch: int
    action: str
    start: int
    since: int
    first_record: int
    built: int
    skip_bad: bool
    files: list[str]


@dataclass(frozen=True)
class Plan:
    """A build, or a later batch, that may begin.

    Attributes:
        config: the whole configuration.
        model: what the model is.
        labels: names of its outputs, if they have names.
        survey: what the corpus holds.
        tally: what the corpus says, for the check of fit.
        batch: which later batch it is of; None for the first build.
    """

    config: Config
    model: ModelIdentity
    labels: list[str]
    survey: Survey
    tally: Tally = field(default_factory=Tally, compare=False)
    batch: Batch | None = None

    @cached_property
    def settings(self) -> JsonObject:
        """What decides the content of the shards, as plan.json or the batch's own file holds it."""
        return (
            content_settings(self.config)
            | {
                **self.model._asdict(),
                "corpus": self.survey.fingerprint,
                "instances": self.survey.instances,
                "labels": self.labels,
                "columns": self.survey.columns,
            }
            | (self.batch._asdict() if self.batch else {})
        )

    @cached_property
    def id(self) -> str:
        """Hash of the settings."""
        return hashlib.sha256(seal(self.settings)).hexdigest()

    def checked(self) -> "Plan":
        """The plan itself, unless it has more rows than an index has numbers for.

        Raises:
            InputError: it has.
        """
        if (rows := self.survey.instances + (self.batch.start if self.batch else 0)) > MOST_ROWS:
            raise InputError(f"{rows:,} rows, and an index has {MOST_ROWS:,} at most; build several, of parts of the corpus")
        return self

    def part(self, instances: int) -> "Plan":
        """The plan of as much of a like corpus."""
        tokens = round(self.survey.tokens * instances / self.survey.instances)
        return replace(self, survey=replace(self.survey, instances=instances, tokens=tokens))

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return -(-self.survey.instances // self.config.index.shard_rows)

    @property
    def ranges(self) -> list[InstanceRange]:
        """The instances of every shard."""
        rows, first = self.config.index.shard_rows, self.batch.start if self.batch else 0
        end = first + self.survey.instances
        return [InstanceRange(start, min(start + rows, end)) for start in range(first, end, rows)]

    @property
    def shards(self) -> list[str]:
        """Directory names of the shards, in order."""
        return [shard_name(start, stop) for start, stop in self.ranges]

    def precision(self, dim: int) -> str:
        """Element type for vectors of `dim` elements."""
        built = self.batch.built if self.batch else self.survey.instances
        return resolve_precision(self.config.index.precision, built, dim)

    @property
    def since(self) -> int:
        """Entries of the log of deletes that do not concern its rows."""
        return self.batch.since if self.batch else 0

    @property
    def first_record(self) -> int:
        """Number of its first record."""
        return self.batch.first_record if self.batch else 0


def survey_corpus(config: Config, see: Callable[[RenderedInstance], None] = lambda _: None) -> Survey:
    """Check the whole corpus before any weights are loaded, showing every instance; see `corpus.survey` for what it raises."""
    needed = config.gradients.label == "gold"
    return survey(config.corpus, make_renderer(config), labels_needed=needed, see=see, another=lambda: make_renderer(config))


def make_plan(config: Config, found: Survey, signer: Signer) -> Plan:
    """Fix what the index will hold; see `Plan.checked` for what it raises."""
    return Plan(config, signer.identity(), signer.labels, found).checked()


def checked_signer(config: Config) -> Signer:
    """What signs the instances, once the model is known to be one that can be indexed; see `Signer.load`.

    Raises:
        InputError: the model or its checkpoints are not sound, the gradients cannot have the curvature that is asked for, or a
            structure for approximate search cannot be made here.
    """
    checkpoint_rates(config.model)
    check_graphs(config.index.approximate, config.model.device)
    signer = Signer.load(config)
    if config.gradients.curvature:
        check_size(config.gradients.curvature, signer.gradients.blocks)
    return signer


def prepared(config: Config, index: Path, *, see: Callable[[RenderedInstance], None] = lambda _: None) -> Prepared:
    """Survey the corpus, load the model and fix the plan, with as many threads as the configuration says; nothing is written.

    Args:
        config: of the build.
        index: the index directory.
        see: is shown every instance.
    """
    if config.engine.threads is not None:
        torch.set_num_threads(config.engine.threads)
    config = with_rates(with_length(with_class_names(as_begun(config, index))))
    sampler, tally, began = Sampler(), Tally(config.model.task), time.perf_counter()
    samples = Samples()

    def count(instance: RenderedInstance) -> None:
        for seen in (sampler.see, tally.see, samples.see, see):
            seen(instance)

    found = survey_corpus(config, count)
    reading = time.perf_counter() - began
    signer = checked_signer(config)
    signer.rows.check_all(samples)
    if config.engine.batch_tokens == "auto":
        signer = signer.with_tokens(fitting_tokens(signer, sampler.kept))
        said = f"batches of {signer.config.engine.tokens:,} tokens at most, by the memory that is free now"
        found = replace(found, remarks=(*found.remarks, said))
    return Prepared(replace(make_plan(signer.config, found, signer), tally=tally), signer, sampler, reading)


def with_rates(config: Config) -> Config:
    """A configuration that says the learning rates of its checkpoints; see `checkpoint_rates` for what it raises."""
    model = config.model.model_copy(update={"checkpoint_rates": checkpoint_rates(config.model)})
    return config.model_copy(update={"model": model})


def as_begun(config: Config, index: Path) -> Config:
    """The configuration with the rules by which an index was begun, if it was; its length and batches too, unless given."""
    if not (index / PLAN).exists():
        return config
    begun = read_sealed(index / PLAN)
    corpus = config.corpus.model_copy(update={"rendering": begun.get("rendering", 1)})
    model = config.model.model_copy(update={"max_length": config.model.max_length or begun["model.max_length"]})
    config = config.model_copy(update={"corpus": corpus, "model": model})
    return config.with_tokens(begun["engine.batch_tokens"]) if config.engine.batch_tokens == "auto" else config


def content_settings(config: Config) -> JsonObject:
    """The part of a configuration that the index's content depends on; files and models are known by their hashes."""
    data = config.model_dump(mode="json")
    data["gradients"]["projection"] = config.gradients.resolved_projection
    data["gradients"]["curvature"] = sorted(data["gradients"]["curvature"])
    kept = {
        "model": ("task", "dtype", "max_length", "checkpoint_rates"),
        "corpus": ("id", "label", "segments", "choices", "target", "per_token", "truncate", "metadata"),
        "gradients": tuple(data["gradients"]),
        "neurons": tuple(data["neurons"]),
        "index": ("precision", "shard_rows"),  # structures for approximate search belong to a version, not to the shards
        "engine": ("batch_tokens",),
    }
    settings = {f"{section}.{key}": data[section][key] for section, keys in kept.items() for key in keys}
    return settings | newer_settings(config, data)


def newer_settings(config: Config, data: JsonObject) -> JsonObject:
    """Settings that older plans do not have: they count where they are not at their default, so that an old build goes on."""
    found = {
        f"corpus.{key}": data["corpus"][key] for key in NEWER if data["corpus"][key] != CorpusConfig.model_fields[key].default
    }
    if config.corpus.loss_on_padding is False:  # true is what it is where nothing is said
        found["corpus.loss_on_padding"] = False
    if config.model.quantization is not None:
        found["model.quantization"] = config.model.quantization
    if config.model.tf32:
        found["model.tf32"] = True
    return found | ({"rendering": config.corpus.rendering} if config.corpus.rendering > 1 else {})


def bind(plan: Plan, index: Path) -> None:
    """Write plan.json, or check that the one there is the same: an index is built from one plan; see `check_bound`."""
    check_bound(plan, index)
    if not (index / PLAN).exists():
        replace_file(index / PLAN, seal(plan.settings))


def check_bound(plan: Plan, index: Path) -> None:
    """Refuse a directory that holds anything but this plan's index.

    Raises:
        InputError: the index was begun with other settings; the first difference is shown, and the others are named.
    """
    path = index / PLAN
    if not path.exists():
        if index.exists() and (not index.is_dir() or any(entry.name not in (LOCK, SOURCE) for entry in index.iterdir())):
            raise InputError(f"{index}: not empty and not an index; choose another --out")
        return
    before = read_sealed(path)
    changed = changed_settings(before, plan)
    if "corpus" in changed and CORPUS.issuperset(changed):
        was, now = (f"{settings['instances']:,}" for settings in (before, plan.settings))
        raise InputError(
            f"{index}: this index was begun with another corpus ({was} instances, now {now}); give it as it was, or another --out"
        )
    if changed:
        first, *others = changed
        was, now = brief(before.get(first)), brief(plan.settings.get(first))
        also = f" (changed too: {', '.join(others)})" if others else ""
        raise InputError(
            f"{index}: this index was begun with {first} = {was}, now it is {now}{also}; use the same settings, or another --out"
        )


def changed_settings(before: JsonObject, plan: Plan) -> list[str]:
    """Settings of a plan that are not those of one before."""
    return [key for key in sorted({*before, *plan.settings}) if before.get(key) != plan.settings.get(key)]
