"""Whether an index reads the rows of a training as its model did: losses of some of them, beside the model's own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attridex.indexer.errors import InputError
from attridex.indexer.signing.signer import Signer
from attridex.indexer.trainers.rows import Batch, TrainingRows, teaches
from attridex.indexer.trainers.trained import Trained

CHECKED = 8
"""Rows that are tried."""
EXACT, ROUNDED = 1e-3, 5e-2
"""How far two losses may lie apart, as a share of them and at least of 1: in float32, and in half precision."""


def check_losses(done: Trained, rows: TrainingRows, signer: Signer) -> None:
    """Refuse an index that reads another loss off a row than the trainer's own model has; some rows are tried.

    Raises:
        InputError: a loss differs.
    """
    tolerance = EXACT if done.exact else ROUNDED
    for number in sorted({at * (len(rows) - 1) // (CHECKED - 1) for at in range(CHECKED)}):
        where, record = f"train_dataset, row {number}", rows.encoded(number)
        if not teaches(record):
            continue
        wanted, found = own_loss(done.model, rows.batch(number)), index_loss(signer, record, where)
        if wanted is not None and not abs(found - wanted) <= tolerance * max(1.0, abs(wanted)):
            raise InputError(
                f"{where}: the trainer's model has a loss of {wanted:.6g} there, the index would read {found:.6g}; the model "
                "sees the row otherwise than its mask and positions say (padding on the left without position_ids, an attention "
                "of its own), or it is not the one that lies in its directory"
            )


@torch.no_grad()
def own_loss(model: Any, batch: Batch) -> float | None:
    """The loss that a model itself computes of a batch, in evaluation mode; None where it computes none."""
    training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        made = model(**{name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()})
        return None if made.loss is None else float(made.loss)
    finally:
        model.train(training)


def index_loss(signer: Signer, record: Mapping[str, Any], where: str) -> float:
    """The loss that an index reads off a row: of a packed one the mean over its tokens."""
    instances = signer.renderer.instances(record, where)
    losses = [each.loss for each in signer.sign(instances, gradient=False, neurons=False)]
    weights = [len(instance.reads) or 1 for instance in instances]
    return sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / sum(weights)
