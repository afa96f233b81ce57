"""Models trained on parts of a corpus from one start, and what each says of the same tests; kept by what it was trained on."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.files import json_bytes, replace_file
from attridex.indexer.models.loading import load_model
from attridex.indexer.progress import Advance
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.indexer.training.evaluation import Evaluation, TaskReader, evaluate
from attridex.indexer.training.finetuning import save
from attridex.indexer.training.start import begin, training_of
from attridex.indexer.training.trainer import train, work_dir


class Retraining:
    """Trains on subsets of a corpus, each from the same pretrained weights, head, order of batches and seed.

    Attributes:
        instances: the corpus by id, rendered.
    """

    def __init__(self, config: Config, directory: Path) -> None:
        """Read the corpus.

        Args:
            config: with a [training] section.
            directory: keeps evaluations and models between runs.

        Raises:
            InputError: no [training] section, or bad data.
        """
        self._config, self._directory = config, directory
        self._training = training_of(config).model_copy(update={"keep_checkpoints": 0})
        self._start = begin(config)
        self.instances = {each.id: each for each in self._start.instances(config.corpus)}

    def render(self, record: Mapping[str, Any], where: str) -> RenderedInstance:
        """A test, rendered as the corpus is.

        Raises:
            InputError: it has no label, or one that the model does not know.
        """
        return self._start.test(record, where)

    def evaluation(
        self, ids: Iterable[str], tests: Sequence[RenderedInstance], labels: Mapping[str, int] | None = None, again: int = 0
    ) -> Evaluation:
        """Train on some instances and read the tests; from the cache where that was done, by the model where that is kept.

        Args:
            ids: of the instances.
            tests: each with its label.
            labels: other labels, by id.
            again: which of several trainings, each with a seed of its own.
        """
        chosen, config = self._chosen(ids, labels or {}), self._seeded(again)
        out = self._directory / self._key(chosen, config)
        path = out.with_name(f"{out.name}-{digest([test.key for test in tests])}.json")
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            return Evaluation(np.array(found["losses"]), np.array(found["right"], bool))
        said = evaluate(self._kept(out) if is_kept(out) else self._trained(out, chosen, config).reader, tests)
        replace_file(path, json_bytes({"losses": said.losses.tolist(), "right": said.right.tolist()}))
        shutil.rmtree(work_dir(out), ignore_errors=True)
        return said

    def model(self, ids: Iterable[str], labels: Mapping[str, int] | None = None, again: int = 0) -> Path:
        """Directory of the model trained on some instances; see `evaluation`."""
        chosen, config = self._chosen(ids, labels or {}), self._seeded(again)
        out = self._directory / self._key(chosen, config)
        if not is_kept(out):
            done = self._trained(out, chosen, config)
            save(done.reader.arch, self._start.tokenizer, self._config, done.figures, out)
            shutil.rmtree(work_dir(out), ignore_errors=True)
        return out

    def _chosen(self, ids: Iterable[str], labels: Mapping[str, int]) -> list[RenderedInstance]:
        chosen = []
        for identity in ids:
            if identity not in self.instances:
                raise InputError(f"instance '{identity}' of the index is not in the corpus any more; name its configuration")
            instance = self.instances[identity]
            chosen.append(replace(instance, label=labels[identity]) if identity in labels else instance)
        return chosen

    def _seeded(self, again: int) -> Config:
        """The configuration of one of several trainings."""
        training = self._training.model_copy(update={"seed": self._training.seed + again})
        return self._config.model_copy(update={"training": training})

    def _key(self, chosen: Sequence[RenderedInstance], config: Config) -> str:
        settings = training_of(config).model_dump(exclude={"test_files", "keep_checkpoints"})
        return digest([settings, self._config.model.task, [[each.key, each.label] for each in chosen]])

    def _trained(self, out: Path, chosen: Sequence[RenderedInstance], config: Config) -> "Training":
        start = begin(config)
        self._directory.mkdir(parents=True, exist_ok=True)
        return Training(start.reader, train(start.reader, chosen, training_of(config), out, False))

    def _kept(self, out: Path) -> TaskReader:
        """A reader of a model that is kept, in float32 as it was trained."""
        own = {"path": str(out), "revision": None, "adapter": None, "quantization": None, "dtype": "float32"}
        model = self._config.model.model_copy(update=own)
        neurons = self._config.neurons.model_copy(update={"enabled": False})
        return reader_of(self._config.model_copy(update={"model": model, "neurons": neurons}))


class Training(NamedTuple):
    """A reader of the model that was trained, and figures of its training."""

    reader: TaskReader
    figures: Mapping[str, float]


def is_kept(out: Path) -> bool:
    """Whether a model lies in its directory, which is written whole or not at all."""
    return (out / "config.json").exists()


def reader_of(config: Config) -> TaskReader:
    """A reader of the model that a configuration names."""
    loaded = load_model(config)
    return TaskReader(loaded.arch, config.model.task, loaded.pad)


def digest(content: Any) -> str:
    """A short hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def head_states(config: Config, instances: Sequence[RenderedInstance], advance: Advance = lambda _: None) -> NDArray[np.float32]:
    """States that the head of an index's model reads, [n, J, h]; J is 1, or the number of choices. `advance` hears of batches.

    Raises:
        InputError: a causal language model, or instances with differing numbers of choices.
    """
    if config.model.task in LANGUAGE_TASKS:
        raise InputError("a language model has no head of its own to train alone; retrain the model")
    reader = reader_of(config)
    found: dict[int, NDArray[np.float32]] = {}
    for at, reading in reader.read_all(instances, advance):
        if reading.inputs is None:
            raise InputError("this task's head cannot be trained alone")
        found |= zip(at, reading.inputs.float().cpu().numpy(), strict=True)
    if len({len(state) for state in found.values()}) > 1:
        raise InputError("instances with differing numbers of choices: the head cannot be trained alone; retrain the model")
    return np.stack([found[row] for row in range(len(instances))])
