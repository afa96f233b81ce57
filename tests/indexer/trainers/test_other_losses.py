"""A training whose loss is another than its model's own is refused in one line; the model's own is taken when asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers as hf

from attridex.client import Client
from attridex.indexer import KeepCheckpoints, from_trainer
from attridex.indexer.errors import InputError
from tests.conftest import tiny_model
from tests.indexer.mixtures import MIXTURES
from tests.indexer.trainers.scripts import (
    QUIET,
    SMALL,
    classifier,
    deciding,
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


class Backwards(hf.Trainer):
    """Reads its rows from the last to the first."""

    def get_train_dataloader(self) -> Any:
        """See `Trainer.get_train_dataloader`."""
        rows = [dict(row) for row in self.train_dataset][::-1]
        return torch.utils.data.DataLoader(rows, batch_size=2, collate_fn=self.data_collator)


class Ready(hf.Trainer):
    """Has its batches ready."""

    def get_train_dataloader(self) -> Any:
        """See `Trainer.get_train_dataloader`."""
        return [self.data_collator([dict(row) for row in self.train_dataset])]


def loading(kind: type[hf.Trainer], out: Path) -> hf.Trainer:
    """A training by a loader of its own; rows are named by columns that its collator leaves out."""
    plain = language_model(out)
    rows = [{**row, "id": f"t{number}"} for number, row in enumerate(plain.train_dataset)]

    def collate(batch: list[Any]) -> Any:
        return plain.data_collator([{"input_ids": row["input_ids"]} for row in batch])

    return kind(plain.model, plain.args, train_dataset=rows, data_collator=collate, processing_class=plain.processing_class)


def test_rows_of_a_loader_of_its_own_keep_their_names(tmp_path: Path) -> None:
    losses = {}
    for kind in (hf.Trainer, Backwards):
        trainer = loading(kind, tmp_path / "out")
        trainer.args.remove_unused_columns = False
        from_trainer(trainer, tmp_path / kind.__name__, id="id", settings=SMALL, show_progress=False)
        with Client.local(tmp_path / kind.__name__) as client:
            losses[kind] = {each.id: each.fields["loss"] for each in client.list_instances(fields=["loss"])}
    assert losses[Backwards] == pytest.approx(losses[hf.Trainer], rel=1e-5)
    with pytest.raises(InputError, match="get_train_dataloader gives a list, which does not tell rows and collator"):
        from_trainer(loading(Ready, tmp_path / "out"), tmp_path / "a", show_progress=False)


@pytest.mark.parametrize(("label", "words"), [(float("nan"), "no label: column 'labels' .* is nan"), (-100.0, "")])
def test_labels_of_a_regression_are_numbers_and_nothing_else(label: float, words: str, tmp_path: Path) -> None:
    trainer = deciding("regression")(tmp_path / "out")
    trainer.train_dataset[2]["label"] = label
    settings = {**SMALL, "neurons": {"enabled": False}}
    if words:
        with pytest.raises(InputError, match=words):
            from_trainer(trainer, tmp_path / "index", settings=settings, show_progress=False)
        return
    from_trainer(trainer, tmp_path / "index", settings=settings, show_progress=False)
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


def test_a_class_that_no_loss_is_taken_of_taught_nothing(tmp_path: Path) -> None:
    trainer = classifier(tmp_path / "out")
    labels = [-100 if number == 3 else label for number, label in enumerate(trainer.train_dataset["label"])]
    trainer.train_dataset = trainer.train_dataset.remove_columns("label").add_column("label", labels)
    with pytest.warns(UserWarning, match="1 rows have no token with a loss, or no label"):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    with Client.local(tmp_path / "index") as client:
        assert [each.id for each in client.list_instances()] == ["0", "1", "2", "4", "5", "6"]


def test_a_text_of_one_token_taught_a_language_model_nothing(tmp_path: Path) -> None:
    trainer = language_model(tmp_path / "out")
    trainer.train_dataset[2] = {"input_ids": [5], "attention_mask": [1]}
    with pytest.warns(UserWarning, match="1 rows have no token with a loss"):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    with Client.local(tmp_path / "index") as client:
        assert [each.id for each in client.list_instances()] == ["0", "1", "3", "4", "5"]
