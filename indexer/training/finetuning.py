"""Fine-tuning: the model that indices, studies and the demo use, rendered and read exactly as they render and read it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import dialect_of, named_classes
from attridex.indexer.errors import InputError
from attridex.indexer.files import TRAINING_RECORD, JsonObject, alone, json_bytes, publish, write_synced
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.loading import quiet_transformers
from attridex.indexer.progress import progress
from attridex.indexer.readers.record_files import read_record_file
from attridex.indexer.training.evaluation import TaskReader, evaluate
from attridex.indexer.training.start import Start, begin, training_of
from attridex.indexer.training.trainer import train, work_dir


def finetune(config: Config, out: Path, *, show_progress: bool = True) -> JsonObject:
    """Train a model on the corpus of a configuration; resumes a killed run from its last checkpoint.

    Returns:
        Figures: instances, steps, train_loss, and accuracy for each test file.

    Raises:
        BusyError: another process trains it.
        InputError: no [training] section, `out` in use, or bad data.
        NumericError: the loss is not finite.
    """
    training = training_of(config)
    check_free(out)
    start = begin(config)
    reader, instances = start.reader, start.instances(config.corpus)
    if not instances:
        raise InputError(f"{', '.join(config.corpus.files)}: no instances in the corpus")
    tests = {path: read_tests(Path(path), start, config) for path in training.test_files}
    work_dir(out).mkdir(parents=True, exist_ok=True)
    with alone(work_dir(out), "training this model"):
        check_free(out)  # who held it may have trained it
        figures: JsonObject = {"instances": len(instances), **train(reader, instances, training, out, show_progress)}
        figures |= tested(reader, tests, config.model.task, show_progress=show_progress)
        save(reader.arch, start.tokenizer, config, figures, out)
        shutil.rmtree(work_dir(out), ignore_errors=True)
    return figures


def check_free(out: Path) -> None:
    """Refuse a directory that has a model."""
    if (out / "config.json").exists():
        raise InputError(f"{out}: there is a model already; choose another --out or remove it")


def tested(reader: TaskReader, tests: Mapping[str, list[RenderedInstance]], task: str, *, show_progress: bool) -> JsonObject:
    """Accuracy for each test file, of a regression the mean squared error.

    Args:
        reader: of the trained model.
        tests: instances of each file.
        task: the model's.
        show_progress: whether progress is shown.
    """
    with progress("Testing", sum(map(len, tests.values())), "instances", enabled=show_progress and bool(tests)) as advance:
        said = {Path(path).name: evaluate(reader, data, advance) for path, data in tests.items()}
    if task == "regression":
        return {"mean_squared_error": {name: float(each.losses.mean()) for name, each in said.items()}}
    return {"accuracy": {name: float(each.right.mean()) for name, each in said.items()}}


def read_tests(path: Path, start: Start, config: Config) -> list[RenderedInstance]:
    """Instances of a test file, which is read as the corpus is, each with its label."""
    records = read_record_file(path, dialect=dialect_of(config.corpus), by_name=named_classes(config.corpus, config.model.task))
    return [start.test(record.values, record.where) for record in records]


def save(arch: Architecture, tokenizer: Any, config: Config, figures: Mapping[str, Any], out: Path) -> None:
    """Write model, tokenizer and the training's record, whole or not at all.

    Args:
        arch: the trained model.
        tokenizer: its tokenizer.
        config: that it was trained by.
        figures: of the training.
        out: the model's directory.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with publish(out) as directory, quiet_transformers():
        arch.model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        write_synced(directory / TRAINING_RECORD, json_bytes({"config": config.model_dump(mode="json"), **figures}))
        for kept in sorted(work_dir(out).glob("kept-*")):
            shutil.copytree(kept, directory / kept.name.replace("kept", "checkpoint"))
