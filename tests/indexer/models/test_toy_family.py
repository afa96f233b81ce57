"""A model family of somebody else: one module with one `Family`, registered by an entry point, and nothing else changed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import InputError
from attridex.indexer.models.families import known_families
from tests.conftest import SHOWN, word_tokenizer

MODULE = """
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput

from attridex.indexer.models.families import Family

TOY = Family("body", "body.blocks", "up", "down", "mix", head="decide", causal=False)


class ToyConfig(PretrainedConfig):
    model_type = "toy"
    num_attention_heads = 2
    max_position_embeddings = 32


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.up, self.down = nn.Linear(8, 8), nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, states, attention_mask=None):
        mask = attention_mask[..., None].to(states)
        states = states + self.mix((states * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True))
        return states + self.down(torch.relu(self.up(states)))


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.blocks = nn.Embedding(40, 8), nn.ModuleList([Block(), Block()])

    def forward(self, input_ids, attention_mask=None):
        states = self.embed(input_ids)
        for block in self.blocks:
            states = block(states, attention_mask=attention_mask)
        return BaseModelOutput(last_hidden_state=states)


class ToyForSequenceClassification(PreTrainedModel):
    config_class = ToyConfig

    def __init__(self, config):
        super().__init__(config)
        self.body, self.decide = Body(), nn.Linear(8, config.num_labels, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.body.embed

    def forward(self, input_ids, attention_mask=None):
        states = self.body(input_ids, attention_mask).last_hidden_state
        return SequenceClassifierOutput(logits=self.decide(states[:, 0]))


AutoConfig.register("toy", ToyConfig)
AutoModelForSequenceClassification.register(ToyConfig, ToyForSequenceClassification)
"""


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution with one entry point, as `pip install` leaves it, for one test."""

    def install(value: str, name: str = "toy") -> None:
        info = tmp_path / "site" / "toy_family-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-family\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[attridex.families]\n{name} = {value}\n")
        (tmp_path / "site" / "toy_family.py").write_text(MODULE)
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install


@pytest.mark.parametrize("parameters", ["head", "linear"])
def test_an_index_of_a_toy_family_is_built_and_answers(
    parameters: str, register: Callable[..., None], project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    import transformers

    sys.modules.pop("toy_family", None)
    register("toy_family:TOY")
    known_families()  # the module of the entry point teaches transformers the model
    toy = sys.modules["toy_family"]
    toy.ToyForSequenceClassification(toy.ToyConfig(num_labels=3)).save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    transformers.CONFIG_MAPPING._extra_content.pop("toy")
    del sys.modules["toy_family"]

    config = project(
        model={"path": str(tmp_path / "model")}, corpus=SHOWN["sequence-classification"], gradients={"parameters": parameters}
    )
    ran = attridex("build", config, "--out", tmp_path / "index", "--json")
    assert ran.code == 0, ran.err
    assert attridex("info", tmp_path / "index", "--json").lines[0]["family"] == "toy"
    hits = attridex("query", "ia", "--index", tmp_path / "index", "--instance", "t3", "--method", "grad-cos", "--json").lines
    assert hits[0]["hits"][0]["id"] == "t3"
    neurons = attridex("query", "na", "--index", tmp_path / "index", "--queries", tmp_path / "queries.jsonl", "--json").lines
    assert {neuron["layer"] for line in neurons for neuron in line["neurons"]} <= {0, 1}


def test_there_is_no_family_but_those_of_others_and_a_broken_one_is_named(register: Callable[..., None]) -> None:
    assert known_families() == {}
    register("toy_family:Block")
    with pytest.raises(InputError, match=r"the model family 'toy' \(toy_family:Block\) is no Family but type"):
        known_families()


def test_a_family_that_cannot_be_loaded_is_named(register: Callable[..., None]) -> None:
    register("nowhere:TOY")
    with pytest.raises(InputError, match=r"the model family 'toy' \(nowhere:TOY\) cannot be loaded: No module named 'nowhere'"):
        known_families()


def test_a_family_may_describe_a_model_type_of_transformers(register: Callable[..., None]) -> None:
    register("toy_family:TOY", "opt")
    assert known_families()["opt"].head == "decide"
