"""Fine-tuning learns, reads what attribution reads, resumes after a kill, and refuses what cannot be right."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, OPTConfig

KILLED = """
import os, signal
from attridex.client.commands.app import main
from attridex.indexer.training import trainer

class Killed(trainer.Steps):
    def on_step_end(self, args, state, control, **more):
        if state.global_step == 20:
            os.kill(os.getpid(), signal.SIGKILL)

trainer.LEAST_STEPS, trainer.Steps = 8, Killed
main()
"""
"""The command line, killed in the 20th step of a training that keeps a checkpoint at every eighth."""


@pytest.fixture
def config(project: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A project whose model is yet to be trained; the label follows from the first word of the hypothesis."""

    def make(**training: Any) -> Path:
        path = project(
            model={"path": "tuned"},
            corpus={"labels": ["no", "yes"]},
            training={"base": "base", "learning_rate": 5e-3, "epochs": 20, "test_files": ["train.jsonl"], **training},
        )
        rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
        words = ["dog", "cat"]
        rows = [{**row, "hypothesis": words[n % 2], "label": ["no", "yes"][n % 2]} for n, row in enumerate(rows)]
        (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return make


@pytest.fixture
def base(tmp_path: Path, model_dir: Callable[[str], Path]) -> Path:
    """A pretrained causal language model without a classifier's head, and a tokenizer without a padding token."""
    import torch

    torch.manual_seed(0)
    settings = OPTConfig(
        vocab_size=40, hidden_size=24, word_embed_proj_dim=24, ffn_dim=40, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(settings).save_pretrained(tmp_path / "base")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "base" / name).write_bytes((model_dir("opt") / name).read_bytes())
    tokenizer = tmp_path / "base" / "tokenizer_config.json"
    tokenizer.write_text(
        json.dumps({key: value for key, value in json.loads(tokenizer.read_text()).items() if key != "pad_token"})
    )
    return tmp_path / "base"


def test_a_classifier_learns_from_a_cut_base_and_can_be_indexed(config: Any, base: Path, tmp_path: Path, attridex: Any) -> None:
    ran = attridex("finetune", config(layers=2), "--out", tmp_path / "tuned", "--json")
    assert ran.code == 0, ran.err
    assert ran.lines[0]["accuracy"]["train.jsonl"] == 1.0
    assert json.loads((tmp_path / "tuned" / "config.json").read_text())["num_hidden_layers"] == 2
    assert attridex("build", tmp_path / "config.toml", "--out", tmp_path / "index").code == 0
    line = attridex("predict", "--instance", "t3", "--index", tmp_path / "index", "--json").lines[0]
    assert line["predicted"] == "yes"
    assert list(line["probabilities"]) == ["no", "yes"]


def test_a_killed_training_goes_on_and_ends_with_the_same_model(config: Any, base: Path, tmp_path: Path, attridex: Any) -> None:
    path = config(epochs=14, batch_size=4, learning_rate=1e-4, test_files=[])
    assert attridex("finetune", path, "--out", tmp_path / "whole").code == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, "finetune", str(path), "--out", str(tmp_path / "cut")]
    assert subprocess.run(command, env=environment, capture_output=True).returncode == -signal.SIGKILL
    assert not (tmp_path / "cut").exists()
    assert (tmp_path / "cut.checkpoints" / "checkpoint-16").exists()
    assert attridex("finetune", path, "--out", tmp_path / "cut").code == 0
    assert not (tmp_path / "cut.checkpoints").exists()
    whole, cut = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    for name, weights in whole.items():
        assert (weights - cut[name]).abs().max() <= 1e-4 * weights.abs().max(), name


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"base": "/no/such/base"}, "no such model directory (training.base)"),
        ({"base": "no-such-base"}, "no such model directory (training.base), and the Hub"),
        ({"layers": 9}, "training.layers = 9"),
        ({"test_files": ["nowhere.jsonl"]}, "nowhere.jsonl: no such file"),
        ({"epochs": 0}, "training.epochs"),
    ],
)
def test_bad_training_is_refused(
    training: dict[str, Any], words: str, config: Any, base: Path, tmp_path: Path, attridex: Any
) -> None:
    ran = attridex("finetune", config(**training), "--out", tmp_path / "tuned")
    assert ran.code == 2
    assert words in ran.err
    assert not (tmp_path / "tuned").exists()


def test_a_loss_that_is_not_finite_ends_the_training(config: Any, base: Path, tmp_path: Path, attridex: Any) -> None:
    ran = attridex("finetune", config(learning_rate=1e30), "--out", tmp_path / "tuned")
    assert ran.code == 1
    assert "lower training.learning_rate" in ran.err


def test_a_model_that_is_there_is_not_overwritten(config: Any, base: Path, tmp_path: Path, attridex: Any) -> None:
    ran = attridex("finetune", config(), "--out", base)
    assert ran.code == 2
    assert "there is a model already" in ran.err
