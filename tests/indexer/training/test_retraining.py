"""Retraining on parts of a corpus: the same model for the same part, trained once."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from attridex.indexer.config import Config, load_config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import InputError
from attridex.indexer.models.loading import load_model
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.training import retraining
from attridex.indexer.training import trainer as trainer_module
from attridex.indexer.training.finetuning import finetune
from attridex.indexer.training.retraining import Retraining, head_states
from attridex.indexer.training.trainer import Steps
from tests.conftest import records, write_jsonl


@pytest.fixture
def config(project: Callable[..., Path], model_dir: Callable[..., Path], tmp_path: Path) -> Config:
    """A corpus of twelve with a training section."""
    write_jsonl(tmp_path / "test.jsonl", [{**row, "id": f"x{row['id']}"} for row in records(9)])
    training = {
        "base": str(model_dir("opt")), "epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "test_files": ["test.jsonl"],
    }  # fmt: skip
    return load_config(project("opt", 12, corpus={"labels": ["a", "b", "c"]}, training=training))


def test_the_whole_corpus_gives_the_model_of_attridex_finetune(config: Config, tmp_path: Path) -> None:
    figures = finetune(config, tmp_path / "tuned", show_progress=False)
    trainer = Retraining(config, tmp_path / "cache")
    tests = [trainer.render(json.loads(line), "test") for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    found = trainer.evaluation(trainer.instances, tests)
    assert found.right.mean() == figures["accuracy"]["test.jsonl"]
    assert np.isfinite(found.losses).all()


def test_a_part_is_trained_on_once_and_other_parts_or_labels_are_other_models(config: Config, tmp_path: Path) -> None:
    trainer = Retraining(config, tmp_path / "cache")
    tests = list(trainer.instances.values())[:3]
    part = ["t1", "t5", "t7", "t8"]
    first = trainer.evaluation(part, tests)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")}
    again = Retraining(config, tmp_path / "cache").evaluation(part, tests)
    assert again.losses == pytest.approx(first.losses)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.json")} == written
    assert not np.allclose(trainer.evaluation(part[:3], tests).losses, first.losses)
    assert not np.allclose(trainer.evaluation(part, tests, {"t1": 2}).losses, first.losses)


def test_trainings_of_one_part_differ_by_their_seed(config: Config, tmp_path: Path) -> None:
    trainer, part = Retraining(config, tmp_path / "cache"), ["t1", "t5", "t7", "t8"]
    tests = list(trainer.instances.values())[:3]
    first, second = (trainer.evaluation(part, tests, again=again) for again in (0, 1))
    assert not np.allclose(first.losses, second.losses)
    training = config.training.model_copy(update={"seed": config.training.seed + 1}) if config.training else None
    other = Retraining(config.model_copy(update={"training": training}), tmp_path / "other")
    assert other.evaluation(part, tests).losses == pytest.approx(second.losses, rel=1e-5)


def test_a_kept_model_is_the_one_that_was_evaluated(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Retraining(config, tmp_path / "cache")
    tests = list(trainer.instances.values())[:5]
    expected = trainer.evaluation(["t1", "t2"], tests)
    kept = config.model_copy(update={"model": config.model.model_copy(update={"path": str(trainer.model(["t1", "t2"]))})})
    states, head = head_states(kept, tests), load_model(kept).arch.head
    logits = head(torch.from_numpy(states[:, 0]))
    labels = torch.tensor([test.label for test in tests])
    assert torch.nn.functional.cross_entropy(logits, labels, reduction="none").tolist() == pytest.approx(
        expected.losses, abs=1e-5
    )
    monkeypatch.setattr(retraining, "train", None)  # other tests are read by the model that is kept
    assert trainer.evaluation(["t1", "t2"], tests[:4]).losses == pytest.approx(expected.losses[:4], abs=1e-5)


def test_an_instance_that_left_the_corpus_is_named(config: Config, tmp_path: Path) -> None:
    trainer = Retraining(config, tmp_path / "cache")
    with pytest.raises(InputError, match="instance 'gone' of the index is not in the corpus any more"):
        trainer.evaluation(["t1", "gone"], list(trainer.instances.values()))


@pytest.mark.parametrize("task", ["sequence-classification", "multiple-choice"])
def test_states_under_the_head_give_the_model_s_logits(project: Callable[..., Path], task: str) -> None:
    config = load_config(project("opt", 6, task))
    instances = [each for _, each in rendered(config.corpus, make_renderer(config), labels_needed=True)]
    states = head_states(config, instances)
    arch = load_model(config).arch
    for instance, state in zip(instances, states, strict=True):
        assert len(state) == len(instance.sequences)
        for sequence, own in zip(instance.sequences, state, strict=True):
            expected = arch.model(input_ids=torch.tensor([sequence])).logits[0]
            assert torch.allclose(arch.head(torch.from_numpy(own)), expected, atol=1e-5)


def test_a_training_that_was_cut_off_goes_on_to_the_same_model(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.training
    config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": 10, "batch_size": 5})})
    monkeypatch.setattr(trainer_module, "LEAST_STEPS", 10)
    part = [f"t{number}" for number in range(11)]

    def evaluated(directory: Path) -> list[float]:
        trainer = Retraining(config, directory)
        return trainer.evaluation(part, list(trainer.instances.values())).losses.tolist()

    expected = evaluated(tmp_path / "whole")
    step = Steps.on_step_end

    def cut(self: Steps, args: object, state: object, control: object, **more: object) -> None:
        if state.global_step == 12:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        step(self, args, state, control, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Steps, "on_step_end", cut)
        with pytest.raises(KeyboardInterrupt):
            evaluated(tmp_path / "cut")
    assert list((tmp_path / "cut").glob("*.checkpoints/checkpoint-10"))
    assert evaluated(tmp_path / "cut") == pytest.approx(expected, abs=1e-6)
    assert not list((tmp_path / "cut").glob("*.checkpoints"))
