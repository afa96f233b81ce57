"""Models trained on parts of a corpus from one start, and what each says of the same tests; kept by what it was trained on."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import InputError
from attridex.indexer.files import json_bytes, replace_file
from attridex.indexer.models.loading import load_model
from attridex.indexer.progress import Advance
from attridex.indexer.training.evaluation import Evaluation, TaskReader, evaluate
from attridex.indexer.training.finetuning import labelled, save
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
        self.instances = {each.id: each for _, each in rendered(config.corpus, self._start.renderer, labels_needed=True)}

    def render(self, record: Mapping[str, Any], where: str) -> RenderedInstance:
        """A test, rendered as the corpus is.

        Raises:
            InputError: it has no label, or one that the model does not know.
        """
        return labelled(self._start.renderer, record, where)

    def evaluation(
        self, ids: Iterable[str], tests: Sequence[RenderedInstance], labels: Mapping[str, int] | None = None, again: int = 0
    ) -> Evaluation:
        """Train on some instances and read the tests; from the cache where that was done.

        Args:
            ids: of the instances.
            tests: each with its label.
            labels: other labels, by id.
            again: which of several trainings, each with a seed of its own.
        """
        chosen, config = self._chosen(ids, labels or {}), self._seeded(again)
        key = self._key(chosen, config)
        path = self._directory / f"{key}-{digest([test.key for test in tests])}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            return Evaluation(np.array(found["losses"]), np.array(found["right"], bool))
        reader, _ = self._trained(key, chosen, config)
        said = evaluate(reader, tests)
        replace_file(path, json_bytes({"losses": said.losses.tolist(), "right": said.right.tolist()}))
        shutil.rmtree(work_dir(self._directory / key), ignore_errors=True)
        return said

    def model(self, ids: Iterable[str], labels: Mapping[str, int] | None = None, again: int = 0) -> Path:
        """Directory of the model trained on some instances; see `evaluation`."""
        chosen, config = self._chosen(ids, labels or {}), self._seeded(again)
        out = self._directory / self._key(chosen, config)
        if not (out / "config.json").exists():
            reader, figures = self._trained(out.name, chosen, config)
            save(reader.arch, self._start.tokenizer, self._config, figures, out)
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

    def _trained(self, key: str, chosen: Sequence[RenderedInstance], config: Config) -> tuple[TaskReader, dict[str, float]]:
        start = begin(config)
        self._directory.mkdir(parents=True, exist_ok=True)
        figures = train(start.reader, chosen, training_of(config), self._directory / key, False)
        return start.reader, figures


def digest(content: Any) -> str:
    """A short hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def head_states(config: Config, instances: Sequence[RenderedInstance], advance: Advance = lambda _: None) -> NDArray[np.float32]:
    """States that the head of an index's model reads, [n, J, h]; J is 1, or the number of choices. `advance` hears of batches.

    Raises:
        InputError: a causal language model, or instances with differing numbers of choices.
    """
    if config.model.task == "causal-lm":
        raise InputError("a causal language model has no head of its own to train alone; retrain the model")
    loaded = load_model(config)
    reader = TaskReader(loaded.arch, config.model.task, loaded.pad)
    found: dict[int, NDArray[np.float32]] = {}
    for at, reading in reader.read_all(instances, advance):
        if reading.inputs is None:
            raise InputError("this task's head cannot be trained alone")
        found |= zip(at, reading.inputs.float().cpu().numpy(), strict=True)
    if len({len(state) for state in found.values()}) > 1:
        raise InputError("instances with differing numbers of choices: the head cannot be trained alone; retrain the model")
    return np.stack([found[row] for row in range(len(instances))])
