"""A callback that keeps checkpoints of a training, with the learning rate at each: what TracIn needs."""

import shutil
from pathlib import Path
from typing import Any

from torch import nn
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from attridex.indexer.errors import InputError
from attridex.indexer.files import TRAINING_RECORD, json_bytes, publish, write_synced
from attridex.indexer.models.loading import quiet_transformers

KEPT = "kept-"
"""Begins the name of a checkpoint's directory; its step follows."""


class KeepCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Keeps the model at some evenly spaced steps of a `transformers` Trainer: `callbacks=[KeepCheckpoints(4)]`.

    `from_trainer` finds it, and indexes the gradients at each checkpoint for TracIn.
    """

    def __init__(self, count: int, directory: str | Path | None = None) -> None:
        """Say how many, and where.

        Args:
            count: checkpoints before the last step, whose model is the trained one.
            directory: theirs; "attridex-checkpoints" in the trainer's `output_dir` unless given.

        Raises:
            InputError: less than one.
        """
        if count < 1:
            raise InputError(f"KeepCheckpoints({count}): at least one checkpoint is needed")
        self._count, self._directory = count, None if directory is None else Path(directory)
        self._wanted: set[int] = set()

    @property
    def kept(self) -> list[str]:
        """Directories of the checkpoints so far, in the order of their steps."""
        return [] if self._directory is None else [str(path.resolve()) for path in sorted(self._directory.glob(f"{KEPT}*"))]

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Choose the steps; what an earlier training left there is removed, unless this one goes on with it.

        Args:
            args: Trainer's arguments.
            state: where the training stands.
            control: not used.
            kwargs: what else Trainer tells.

        Raises:
            InputError: parameters have different learning rates.
        """
        check_rates(kwargs.get("lr_scheduler"))
        steps, self._directory = state.max_steps, self._directory or Path(args.output_dir) / "attridex-checkpoints"
        self._wanted = {round(steps * (number + 1) / (self._count + 1)) for number in range(self._count)}
        if state.is_world_process_zero:
            for path in self._directory.glob(f"{KEPT}*"):
                if int(path.name.removeprefix(KEPT)) > state.global_step:
                    shutil.rmtree(path)

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, lr_scheduler: Any = None, **kwargs: Any
    ) -> None:
        """Keep the model if this is one of the steps.

        Args:
            args: Trainer's arguments.
            state: where the training stands.
            control: not used.
            model: as it is now.
            lr_scheduler: knows the learning rate.
            kwargs: what else Trainer tells.

        Raises:
            InputError: the model is sharded.
        """
        if state.global_step not in self._wanted or not state.is_world_process_zero or self._directory is None:
            return
        check_whole(model, "KeepCheckpoints")
        with publish(self._directory / f"{KEPT}{state.global_step:06d}") as directory, quiet_transformers():
            model.save_pretrained(directory)
            write_synced(directory / TRAINING_RECORD, json_bytes({"learning_rate": float(lr_scheduler.get_last_lr()[0])}))


def check_rates(schedule: Any) -> None:
    """Refuse an optimizer whose parameters learn at different rates: TracIn counts a checkpoint by one.

    Raises:
        InputError: it has several.
    """
    rates = sorted({float(rate) for rate in getattr(schedule, "base_lrs", [])})
    if len(rates) > 1:
        raise InputError(
            f"KeepCheckpoints: the parameters have different learning rates ({', '.join(map(str, rates))}), and TracIn counts a "
            "checkpoint by one; train with one, or leave KeepCheckpoints out"
        )


def check_whole(model: nn.Module, where: str) -> None:
    """Refuse a model whose weights do not all lie in this process.

    Raises:
        InputError: it is sharded (FSDP, DeepSpeed ZeRO-3, tensor parallelism) or offloaded; `where` names what asks.
    """
    wrapped = any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules())
    parts = any(isinstance(each, DTensor) or hasattr(each, "ds_id") or each.is_meta for each in model.parameters())
    if wrapped or parts:
        raise InputError(
            f"{where}: the model is sharded or offloaded (FSDP, DeepSpeed ZeRO-3, tensor parallelism), so that no process has "
            "all of its weights; save it whole, and build from its directory with `attridex build`"
        )
