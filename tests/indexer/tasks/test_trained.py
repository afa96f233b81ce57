"""Models trained by a plain Trainer script: an index has the losses and the numbers that the trainer has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from attridex.client import Client
from attridex.indexer import build, load_config
from tests.conftest import CONFIGS, records, word_tokenizer

QUIET: dict[str, Any] = {
    "per_device_train_batch_size": 2, "max_steps": 4, "learning_rate": 1e-2, "report_to": [], "disable_tqdm": True,
    "log_level": "error", "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "dataloader_pin_memory": False,
}  # fmt: skip
KINDS: dict[str, tuple[str, int, str | None, list[Any]]] = {
    "regression": ("regression", 1, None, [0.5, -1.0, 2.25, 0.0, 3.0, 1.5]),
    "two-numbers": ("regression", 2, "regression", [[0.5, 1.0], [-1.0, 0.0], [2.25, 2.0], [0.0, 0.0], [3.0, 1.0], [1.5, -2.0]]),
    "multi-label": ("multi-label", 3, "multi_label_classification", [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]] * 2),
    "one-logit": ("sequence-classification", 1, "multi_label_classification", [[1.0], [0.0], [1.0], [1.0], [0.0], [0.0]]),
}


def trained(kind: str, family: str, place: Path) -> Any:
    """A plain script: the tokenizer's own call, Trainer's own collator, the model saved."""
    _, outputs, problem, labels = KINDS[kind]
    torch.manual_seed(0)
    config = CONFIGS[family]()
    config.num_labels, config.problem_type, config.initializer_range = outputs, problem, 0.3
    tokenizer = word_tokenizer()
    model = hf.AutoModelForSequenceClassification.from_config(config)
    rows = [{**tokenizer(row["premise"]), "labels": label} for row, label in zip(records(6), labels, strict=True)]
    arguments = hf.TrainingArguments(output_dir=str(place / "work"), **QUIET)
    trainer = hf.Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    trainer.save_model(str(place / "model"))
    trainer.model.eval()
    return trainer


def said(trainer: Any) -> list[tuple[float, list[float]]]:
    """The trainer's own loss and outputs of each row alone."""
    found = []
    for row in trainer.train_dataset:
        inputs = trainer._prepare_inputs(trainer.data_collator([dict(row)]))
        with torch.no_grad():
            loss, given = trainer.compute_loss(trainer.model, inputs, return_outputs=True)
        found.append((float(loss), given.logits[0].tolist()))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["llama", "bert"])
def test_an_index_has_the_trainer_s_losses_and_outputs(kind: str, family: str, tmp_path: Path) -> None:
    task, _, _, labels = KINDS[kind]
    wanted = said(trained(kind, family, tmp_path))
    given = [label[0] for label in labels] if kind == "one-logit" else labels
    rows = [{"id": row["id"], "premise": row["premise"], "label": label} for row, label in zip(records(6), given, strict=True)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.toml").write_text(
        f'[model]\npath = "model"\ntask = "{task}"\n[neurons]\nsteps = 3\n'
        '[corpus]\nfiles = ["train.jsonl"]\ntext = "{premise}"\n'
    )
    build(load_config(tmp_path / "config.toml"), tmp_path / "index", show_progress=False)
    with Client.local(tmp_path / "index") as client:
        stored = list(client.list_instances(fields=["loss", "label", "predicted"]))
        asked = client.predict(rows).results
        near = client.attribute_instances(rows[:2], k=6).results
    turned = {"multi-label": torch.sigmoid, "one-logit": lambda z: torch.cat([(-z).sigmoid(), z.sigmoid()])}
    for (loss, z), instance, result in zip(wanted, stored, asked, strict=True):
        numbers = turned.get(kind, lambda z: z)(torch.tensor(z)).tolist()
        assert instance.fields["loss"] == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert result.baseline.loss == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert list(result.baseline.probabilities.values()) == pytest.approx(numbers, rel=1e-5, abs=1e-5)
        if task != "regression":
            assert instance.fields["predicted"] == result.baseline.predicted
    assert all(len(result.hits) == 6 for result in near)


@pytest.mark.parametrize(
    ("problem", "outputs", "task", "words"),
    [
        ("regression", 1, "sequence-classification", 'task = "regression"'),
        ("regression", 3, "multi-label", 'task = "regression"'),
        ("multi_label_classification", 3, "sequence-classification", 'task = "multi-label"'),
        ("single_label_classification", 3, "regression", 'task = "sequence-classification"'),
        ("single_label_classification", 3, "multi-label", 'task = "sequence-classification"'),
        ("multi_label_classification", 1, "regression", 'task = "multi-label"'),
    ],
)
def test_a_model_that_says_it_was_trained_for_another_task_is_refused(
    problem: str, outputs: int, task: str, words: str, project: Callable[..., Path], attridex: Callable[..., Any], tmp_path: Path
) -> None:
    config = CONFIGS["llama"]()
    config.num_labels, config.problem_type = outputs, problem
    hf.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    ran = attridex("build", project(model={"path": str(tmp_path / "model"), "task": task}), "--out", tmp_path / "index")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
    assert f"trained for {words}" in ran.err
