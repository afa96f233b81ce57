"""Loading: a model ready to be attributed, its sources, its identity, its checkpoints and its renderer."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn
from transformers.activations import NewGELUActivation
from transformers.models.bloom.modeling_bloom import BloomGelu

from attridex.indexer.config import Config, ModelConfig, load_config
from attridex.indexer.errors import InputError
from attridex.indexer.forms.special_tokens import SpecialTokens
from attridex.indexer.models.checkpoints import at_checkpoint, checkpoint_rates
from attridex.indexer.models.families import Family, family_of
from attridex.indexer.models.identity import model_identity
from attridex.indexer.models.loading import fuse_activations, load_model, resolve_device
from attridex.indexer.models.renderers import make_renderer, positions, special_tokens
from attridex.indexer.models.sources import resolve_labels
from attridex.indexer.task_kinds import Task
from tests.conftest import CONFIGS, word_tokenizer


@pytest.mark.parametrize("family", ["opt", "bert"])
def test_a_loaded_model_is_frozen_and_has_its_own_labels(family: str, project: Callable[..., Path]) -> None:
    loaded = load_model(load_config(project(family)))
    assert not loaded.arch.model.training
    assert not any(parameter.requires_grad for parameter in loaded.arch.model.parameters())
    assert (loaded.family, loaded.labels, loaded.pad) == (family, ["LABEL_0", "LABEL_1", "LABEL_2"], 0)


@pytest.mark.parametrize("activation", [NewGELUActivation, BloomGelu])
def test_a_fused_activation_computes_the_same(activation: type[nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(3, 3), activation())
    x = torch.randn(10, 3)
    before = model(x)
    fuse_activations(model)
    assert isinstance(model[1], nn.GELU)
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-6)


def test_a_device_that_is_none_is_named() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="'gpu7' is no device"):
        resolve_device("gpu7")


def test_labels_have_the_order_of_the_outputs_and_no_name_twice() -> None:
    own = hf.OPTConfig(num_labels=2)
    assert resolve_labels(None, own, "sequence-classification") == ["LABEL_0", "LABEL_1"]
    assert resolve_labels(["no", "yes"], own, "sequence-classification") == ["no", "yes"]
    assert resolve_labels(None, own, "multiple-choice") == []
    with pytest.raises(InputError, match="a name twice: no, no"):
        resolve_labels(["no", "no"], own, "sequence-classification")


def test_the_models_own_names_in_another_order_are_refused() -> None:
    own = hf.OPTConfig(id2label={0: "contradiction", 1: "neutral", 2: "entailment"})
    same, turned = ["contradiction", "neutral", "entailment"], ["entailment", "neutral", "contradiction"]
    assert resolve_labels(same, own, "sequence-classification") == same
    with pytest.raises(InputError, match="its outputs are, in their order, contradiction, neutral, entailment"):
        resolve_labels(turned, own, "sequence-classification")
    assert resolve_labels(turned, own, "sequence-classification", rendering=1) == turned, "an old index keeps its meaning"


NAMED = {0: "no", 1: "maybe", 2: "yes"}


@pytest.mark.parametrize("task", ["sequence-classification", "multi-label", "token-classification"])
@pytest.mark.parametrize(
    ("numbers", "odd"),
    [
        ({"no": 0, "maybe": 1, "yes": 2}, ""),
        ({"no": 0}, ""),
        ({}, ""),
        ({"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}, ""),  # transformers' own, where a script named id2label alone
        ({"bad": 2, "good": 0}, ""),  # of names that are no outputs'
        ({"no": 2, "maybe": 1, "yes": 0}, "'no' as number 2"),
        ({"No": "1", "Yes": "2"}, "'No' as number 1"),
        ({"no": 0, "yes": 0}, "'yes' as number 0"),
    ],
)
def test_a_model_whose_names_have_two_numbers_is_refused_unless_its_outputs_are_named(
    task: Task, numbers: dict[str, Any], odd: str
) -> None:
    own = hf.OPTConfig(id2label=NAMED, label2id=numbers)
    assert resolve_labels(list(NAMED.values()), own, task) == list(NAMED.values())
    assert resolve_labels(None, own, task, rendering=1) == list(NAMED.values()), "an old index keeps its meaning"
    if not odd:
        assert resolve_labels(None, own, task) == list(NAMED.values())
    else:
        with pytest.raises(InputError, match=f"config.json has {odd} in label2id, .*corpus.labels$"):
            resolve_labels(None, own, task)


def test_names_of_outputs_are_numbered_from_0() -> None:
    with pytest.raises(InputError, match="numbers its outputs 1, 2 in id2label; 0 to 1 are needed"):
        resolve_labels(None, hf.OPTConfig(id2label={1: "no", 2: "yes"}), "sequence-classification")


def test_numbers_that_transformers_gives_unasked_say_nothing_of_names_like_its_own() -> None:
    leftover = hf.OPTConfig(id2label={0: "label 1", 1: "label 2"}, label2id={"LABEL_0": 0, "LABEL_1": 1})
    assert resolve_labels(None, leftover, "sequence-classification") == ["label 1", "label 2"]


def test_the_identity_follows_model_and_tokenizer_and_not_the_place(model_dir: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(model_dir("opt"), tmp_path / "m")
    model = ModelConfig(path=str(tmp_path / "m"), checkpoints=[str(model_dir("opt"))])
    found = model_identity(model)
    assert found == model_identity(ModelConfig(path=str(model_dir("opt")), checkpoints=[str(tmp_path / "m")]))
    assert found.checkpoints == [found.model]
    path = tmp_path / "m" / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    other = model_identity(model)
    assert (other.model, other.checkpoints) == (found.model, found.checkpoints)
    assert other.tokenizer != found.tokenizer


def test_a_checkpoint_is_an_adapter_where_the_model_has_one() -> None:
    assert at_checkpoint(ModelConfig(path="m", revision="r"), "c") == ModelConfig(path="c")
    assert at_checkpoint(ModelConfig(path="m", adapter="a"), "c") == ModelConfig(path="m", adapter="c")


def test_rates_are_configured_or_recorded_or_one_and_never_mixed(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("a", "b")]
    for name in names:
        Path(name).mkdir()
    assert checkpoint_rates(ModelConfig(path="m", checkpoints=names)) == [1.0, 1.0]
    (tmp_path / "a" / "finetune.json").write_text(json.dumps({"learning_rate": 0.5}))
    with pytest.raises(InputError, match="b does not say its learning rate"):
        checkpoint_rates(ModelConfig(path="m", checkpoints=names))
    (tmp_path / "b" / "finetune.json").write_text(json.dumps({"learning_rate": 0.25}))
    assert checkpoint_rates(ModelConfig(path="m", checkpoints=names)) == [0.5, 0.25]
    assert checkpoint_rates(ModelConfig(path="m", checkpoints=names, checkpoint_rates=[2, 3])) == [2, 3]


def test_positions_of_roberta_are_counted_from_after_the_padding_token() -> None:
    found = {name: family_of(hf.AutoModelForSequenceClassification, CONFIGS[name](), "m") for name in ("opt", "roberta")}
    assert positions(CONFIGS["opt"](), found["opt"]) == 64
    assert positions(CONFIGS["roberta"](), found["roberta"]) == 64 - 0 - 1
    assert [positions(hf.BloomConfig(), Family()), positions(hf.XLNetConfig(), Family())] == [1 << 20] * 2, "none, or -1"


def test_causal_models_begin_with_bos_and_encoders_stand_between_cls_and_sep(project: Callable[..., Path]) -> None:
    tokenizer = word_tokenizer()
    assert special_tokens(tokenizer, causal=True) == SpecialTokens((1,), ())
    tokenizer.cls_token = tokenizer.sep_token = "dog"
    number = tokenizer.cls_token_id
    assert special_tokens(tokenizer, causal=False) == SpecialTokens((number,), (number,))
    config: Config = load_config(project("opt"))
    assert make_renderer(config).labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
