"""An index of a training, from the script that trained: its own rows, its collator's semantics, its model."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attridex.indexer.building.build import Built, build
from attridex.indexer.index.records import Manifest
from attridex.indexer.index.shards import open_shards
from attridex.indexer.progress import say_all
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.indexer.trainers.agreement import check_losses, check_plain
from attridex.indexer.trainers.handing import hand_over
from attridex.indexer.trainers.rows import training_rows
from attridex.indexer.trainers.settings import merged_settings
from attridex.indexer.trainers.trained import check_objective, trained
from attridex.indexer.training.keeping import check_whole

BY_GRADIENT = (
    'from_trainer: neurons are scored by one backward pass (rule = "gradient"), as many tokens of a language model\'s rows have '
    'a loss; settings={"neurons": {"rule": "riemann"}} takes hundreds of times as long\n'
)
"""What is said where the rule of neurons is not asked for."""


def from_trainer(
    trainer: Any,
    index: str | Path,
    *,
    curvature: Sequence[str] = (),
    parameters: str | None = None,
    task: str | None = None,
    id: str = "",
    metadata: Sequence[str] | None = None,
    checkpoints: Sequence[str | Path] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    plain_loss: bool = False,
    show_progress: bool = True,
) -> Built | None:
    """Build an index of a training that a `transformers` Trainer, or TRL's SFTTrainer, has done.

    The rows are those of `trainer.train_dataset`, each as the trainer's collator hands it to the model by itself. They are kept
    in the index, and the model too unless `output_dir` holds it already; `attridex build INDEX/source/config.toml --out INDEX`
    goes on where a build was cut short. Neurons of language models are scored by one backward pass (rule "gradient") unless
    `settings` say otherwise.

    Args:
        trainer: after its training.
        index: the index directory.
        curvature: as `gradients.curvature`.
        parameters: as `gradients.parameters`.
        task: as `model.task`; known by the model's class unless given.
        id: column of the ids; unless given they are the rows' numbers, from 0.
        metadata: columns of the dataset that are kept for tables, filters and SQL; those of texts unless given.
        checkpoints: directories of TracIn's; those of the trainer's `KeepCheckpoints` unless given.
        settings: further sections of a configuration, as `{"neurons": {"enabled": False}}`.
        plain_loss: take the loss that the model itself computes where the training had another (class weights, smoothed
            labels, experts' balance).
        show_progress: whether progress is shown.

    Returns:
        What was built; None in every process of a distributed training but the first.

    Raises:
        InputError: the model is sharded, a row cannot be read or is drawn at random, the training had another loss than its
            model's, the index would read other losses than the trainer's model has, or `index` holds something else.
    """
    check_whole(trainer.model, "from_trainer")
    if not plain_loss:
        check_objective(trainer)
    done = trained(trainer, task, checkpoints)
    rows = training_rows(trainer, id, metadata, done.task)
    if not plain_loss:
        check_plain(trainer, done, rows)  # in every process: some trainers gather figures there
    if not trainer.is_world_process_zero():
        return None
    own = {"gradients": {"curvature": list(curvature), **({} if parameters is None else {"parameters": parameters})}}
    if done.task in LANGUAGE_TASKS:
        own["neurons"] = {"rule": "gradient"}
    sections = merged_settings(own, settings or {})
    if show_progress and scored_by_default(sections, settings or {}):
        sys.stderr.write(BY_GRADIENT)
    config = hand_over(done, rows, sections, Path(index), show=show_progress)
    built = build(config, Path(index), show_progress=show_progress, check=partial(check_losses, done, rows))
    say_all(last_lines(built.manifest, index, id), enabled=show_progress)
    return built


def last_lines(manifest: Manifest, index: str | Path, id: str) -> list[str]:
    """How well the model does, and by which ids the index is asked.

    Args:
        manifest: of the index.
        index: the index directory.
        id: column of the ids; "" where rows are numbered.
    """
    first = open_shards(Path(index), manifest.shards)[0].instances(["id"])["id"][0].as_py()
    ids = f"column '{id}'" if id else "row numbers of train_dataset"
    told = f"{index}: {manifest.instances} instances, their ids are {ids}; attridex query ia --index {index} --instance '{first}'"
    return [*(manifest.fit.lines(as_trained=True) if manifest.fit else ()), told]


def scored_by_default(sections: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether neurons are scored by one backward pass without having been asked for so.

    Args:
        sections: of the whole configuration.
        given: those of them that the script gives.
    """
    neurons = sections.get("neurons", {})
    return neurons.get("enabled", True) and neurons.get("rule") == "gradient" and "rule" not in given.get("neurons", {})
