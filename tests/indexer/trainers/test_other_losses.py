"""A training whose loss is another than its model's own is refused in one line; the model's own is taken when asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers as hf

from attridex.indexer import KeepCheckpoints, from_trainer
from attridex.indexer.errors import InputError
from tests.conftest import tiny_model
from tests.indexer.mixtures import MIXTURES
from tests.indexer.trainers.scripts import (
    QUIET,
    SMALL,
    classifier,
    language_model,
    own_losses,
    stored_losses,
    tuned,
)


class Weighted(hf.Trainer):
    """Counts classes by weights, which one row alone does not show."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """See `Trainer.compute_loss`."""
        labels = inputs.pop("labels")
        logits = model(**inputs).logits
        return F.cross_entropy(logits, labels, weight=torch.tensor([1.0, 4.0, 9.0]))


class Twice(hf.Trainer):
    """Draws dropout twice and lets both answers agree (R-Drop), which evaluation does not show."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """See `Trainer.compute_loss`."""
        one, other = model(**inputs), model(**inputs)
        return (one.loss + other.loss) / 2 + (one.logits - other.logits).square().mean()


class Logging(hf.Trainer):
    """Computes what its model computes, and keeps it."""

    seen: list[float]

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """See `Trainer.compute_loss`."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        self.seen = [*getattr(self, "seen", []), float(loss)]
        return (loss, outputs) if return_outputs else loss


class Stepping(hf.Trainer):
    """Does with each batch what it likes."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """See `Trainer.training_step`."""
        return 2 * super().training_step(*args, **kwargs)


def of_class(kind: type[hf.Trainer]) -> Callable[[Path], hf.Trainer]:
    """A classifier's training by another class, its model unsure enough for losses to differ."""

    def make(out: Path) -> hf.Trainer:
        plain = classifier(out)
        with torch.no_grad():
            plain.model.classifier.weight *= 50
        plain.model.classifier.weight.requires_grad_(True)
        return kind(
            plain.model, plain.args, train_dataset=plain.train_dataset, processing_class=plain.processing_class,
            data_collator=plain.data_collator,
        )  # fmt: skip

    return make


def balanced(out: Path) -> hf.Trainer:
    """Experts, whose balance is part of the loss."""
    trainer = language_model(out)
    trainer.model = tiny_model(MIXTURES[0], "causal-lm")
    trainer.model.config.output_router_logits = True
    return trainer


def smoothed(out: Path) -> hf.Trainer:
    """Labels of a little less than 1."""
    trainer = language_model(out)
    arguments = hf.TrainingArguments(output_dir=str(out), label_smoothing_factor=0.1, **QUIET)
    return hf.Trainer(
        trainer.model, arguments, train_dataset=trainer.train_dataset, data_collator=trainer.data_collator,
        processing_class=trainer.processing_class,
    )  # fmt: skip


def handed(out: Path) -> hf.Trainer:
    """A function that computes the loss."""

    def half(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        return F.cross_entropy(outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()) / 2

    return language_model(out, compute_loss_func=half)


OTHERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "class weights": (of_class(Weighted), r"a loss of its own \(Weighted\.compute_loss\): of rows \d, \d it is"),
    "two passes": (of_class(Twice), r"a loss of its own \(Twice\.compute_loss\)"),
    "own step": (of_class(Stepping), r"a training step of its own \(Stepping\.training_step\)"),
    "own function": (handed, r"a loss of its own \(compute_loss_func\): of rows \d, \d it is"),
    "smoothed labels": (smoothed, r"smoothed labels \(label_smoothing_factor = 0\.1\)"),
    "balance of experts": (balanced, r"the balance of its experts in its loss \(router_aux_loss_coef = "),
    "trl's dft": (lambda out: tuned(out, loss_type="dft"), r'another loss \(loss_type = "dft"\)'),
}


@pytest.mark.parametrize(("script", "words"), OTHERS.values(), ids=list(OTHERS))
def test_another_loss_is_refused_before_anything_is_written(script: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"from_trainer: the training had {words}.*plain_loss=True takes it all the same"):
        from_trainer(script(tmp_path / "out"), tmp_path / "index", settings=SMALL, show_progress=False)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("script", [of_class(Weighted), balanced], ids=["class weights", "balance of experts"])
def test_the_model_s_own_loss_is_taken_when_asked(script: Any, tmp_path: Path) -> None:
    trainer = script(tmp_path / "out")
    settings = {**SMALL, "neurons": {"enabled": False}}
    from_trainer(trainer, tmp_path / "index", plain_loss=True, settings=settings, show_progress=False)
    trainer.model.config.output_router_logits = False
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


def test_a_trainer_s_own_code_that_changes_no_loss_is_let_through(tmp_path: Path) -> None:
    trainer = of_class(Logging)(tmp_path / "out")
    drawn = torch.get_rng_state()
    from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert torch.equal(torch.get_rng_state(), drawn), "nothing is drawn for the script's next training"
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


def test_learning_rates_that_differ_within_a_step_are_refused_before_the_training(tmp_path: Path) -> None:
    plain = language_model(tmp_path / "out")
    first, *others = plain.model.parameters()
    optimizer = torch.optim.SGD([{"params": [first], "lr": 1e-3}, {"params": others, "lr": 1e-2}])
    trainer = language_model(tmp_path / "out", callbacks=[KeepCheckpoints(1)], optimizers=(optimizer, None))
    trainer.model = plain.model
    with pytest.raises(InputError, match=r"KeepCheckpoints: the parameters have different learning rates \(0\.001, 0\.01\)"):
        trainer.train()
