"""Whether an index reads the rows of a training as it was done: losses of some rows, by the trainer, its model and the index."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from attridex.indexer.errors import InputError, first_line
from attridex.indexer.signing.signer import Signer
from attridex.indexer.trainers.rows import Batch, TrainingRows
from attridex.indexer.trainers.trained import Trained, own_ways

CHECKED = 8
"""Rows that are tried."""
EXACT, ROUNDED = 1e-4, 5e-2
"""How far two losses may lie apart, as a share of them and at least of 1: in float32, and in half precision."""
SAME = 1e-5
"""How far, as EXACT, where both come from the same pass in float32."""
SEED = 1
"""Lets two passes draw the same dropout."""


def check_losses(done: Trained, rows: TrainingRows, signer: Signer) -> None:
    """Refuse an index that reads another loss off a row than the trainer's own model has; some rows are tried.

    Raises:
        InputError: a loss differs.
    """
    for number in tried(rows):
        where = f"train_dataset, row {number}"
        wanted, found = own_loss(done.model, rows.batch(number)), index_loss(signer, rows.encoded(number), where)
        if wanted is not None and apart(found, wanted, EXACT if done.exact else ROUNDED):
            raise InputError(
                f"{where}: the trainer's model has a loss of {wanted:.6g} there, the index would read {found:.6g}; the model "
                "sees the row otherwise than its mask and positions say (padding on the left without position_ids, an attention "
                "of its own), or it is not the one that lies in its directory"
            )


def check_plain(trainer: Any, done: Trained, rows: TrainingRows) -> None:
    """Refuse a training whose loss is not the one that its model itself computes, which an index takes.

    Batches of rows are tried in training mode, both ways with the same dropout: one row alone does not show class weights.

    Raises:
        InputError: it is not.
    """
    numbers, size = tried(rows), max(1, trainer.args.train_batch_size)
    for group in (numbers[at : at + size] for at in range(0, len(numbers), size)):
        for batch in together(rows, group):
            with seeded(done.model), trainer.compute_loss_context_manager(), said("the trainer's model"):
                plain = model_loss(done.model, batch)
            if plain is None:
                continue
            with seeded(done.model), trainer.compute_loss_context_manager(), said("the trainer's compute_loss"):
                own = float(trainer.compute_loss(done.model, given_to(done.model, batch)).mean())
            if apart(own, plain, SAME if done.exact else ROUNDED):
                raise InputError(
                    f"from_trainer: the training had {own_ways(trainer)}: of rows {', '.join(map(str, group))} it is {own:.6g}, "
                    f"by the model itself {plain:.6g}, which an index takes; plain_loss=True takes it all the same"
                )


def tried(rows: TrainingRows) -> list[int]:
    """Some rows of all that have a loss."""
    numbers = sorted({at * (len(rows) - 1) // (CHECKED - 1) for at in range(CHECKED)}) if len(rows) else []
    return [number for number in numbers if rows.teaches(rows.encoded(number))]


def together(rows: TrainingRows, numbers: Sequence[int]) -> list[Batch]:
    """Rows in one batch; each by itself where the collator does not put these together."""
    try:
        return [rows.collate([rows.dataset[number] for number in numbers])]
    except Exception:  # a user's own code
        return [rows.batch(number) for number in numbers]


def apart(one: float, other: float, tolerance: float) -> bool:
    """Whether two losses are not the same."""
    both = math.isnan(one) and math.isnan(other)  # of a label that is none, which the index itself refuses
    return not both and not abs(one - other) <= tolerance * max(1.0, abs(other))


@contextmanager
def seeded(model: Any) -> Iterator[None]:
    """Let a model be in training mode, and draw from SEED on; outside nothing is drawn."""
    training, devices = model.training, {each.device for each in model.parameters() if each.device.type == "cuda"}
    model.train()
    with torch.random.fork_rng(devices=list(devices)), torch.no_grad():
        torch.manual_seed(SEED)
        try:
            yield
        finally:
            model.train(training)


@contextmanager
def without_balance(model: Any) -> Iterator[None]:
    """Let the loss of a mixture of experts be that of its answers alone."""
    config = model.config.get_text_config()
    before = getattr(config, "output_router_logits", None)
    if before:
        config.output_router_logits = False
    try:
        yield
    finally:
        if before:
            config.output_router_logits = before


def given_to(model: Any, batch: Batch) -> dict[str, Any]:
    """A batch on a model's device."""
    device = next(model.parameters()).device
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}


def model_loss(model: Any, batch: Batch) -> float | None:
    """The loss that a model itself computes of a batch; None where it computes none."""
    with without_balance(model):
        made = model(**given_to(model, batch))
    loss = made.get("loss") if isinstance(made, Mapping) else made[0] if "labels" in batch else None
    return None if loss is None else float(loss.mean())


@contextmanager
def said(what: str) -> Iterator[None]:
    """Say in one line that a user's own code fails.

    Raises:
        InputError: it does.
    """
    try:
        yield
    except Exception as error:  # whatever it raises
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"from_trainer: {what} fails on its own rows ({reason})") from None


@torch.no_grad()
def own_loss(model: Any, batch: Batch) -> float | None:
    """The loss that a model itself computes of a batch, in evaluation mode; None where it computes none."""
    training = model.training
    model.eval()
    try:
        return model_loss(model, batch)
    finally:
        model.train(training)


def index_loss(signer: Signer, record: Mapping[str, Any], where: str) -> float:
    """The loss that an index reads off a row: of a packed one the mean over its tokens."""
    instances = signer.renderer.instances(record, where)
    losses = [each.loss for each in signer.sign(instances, gradient=False, neurons=False)]
    weights = [len(instance.reads) or 1 for instance in instances]
    return sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / sum(weights)
