"""Bad input is one line with what would be right, and nothing is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf
from safetensors.torch import load_file, save_file

from attridex.indexer.config import parse_config
from attridex.indexer.errors import InputError
from tests.conftest import tiny_model, word_tokenizer


def refused(ran: Any, *words: str) -> None:
    assert ran.code == 2, ran.err
    assert ran.err.startswith("error: ")
    assert len(ran.err.splitlines()) == 1
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"neurons": {"stepps": 3}}, ["unknown key 'neurons.stepps'", "did you mean 'steps'?"]),
        ({"gradient": {"dim": 3}}, ["unknown key 'gradient'", "did you mean 'gradients'?"]),
        ({"corpus": {"files": ["nowhere.jsonl"]}}, ["nowhere.jsonl: no such file"]),
        ({"corpus": {"files": ["train.txt"]}}, ["unknown kind of file"]),
        ({"corpus": {"segments": ["{premis}"]}}, ["missing column 'premis'", "train.jsonl:1", "did you mean 'premise'?"]),
        ({"corpus": {"segments": ["{premise!r}"]}}, ["corpus.segments", "'{premise!r}' is not"]),
        ({"corpus": {"label": "lable"}}, ["missing column 'lable'", "did you mean 'label'?"]),
        ({"corpus": {"labels": ["a", "b"]}}, ["names 2 labels", "3 outputs"]),
        ({"corpus": {"truncate": "genre"}}, ["corpus.truncate"]),
        ({"corpus": {"metadata": ["genres"]}}, ["no record has a column 'genres'", "did you mean 'genre'?"]),
        ({"gradients": {"parameters": "linear", "curvature": ["hessian"]}}, ['parameters = "head"', "fisher"]),
        ({"gradients": {"parameters": "nowhere.*"}}, ["fits no linear layer"]),
        ({"gradients": {"parameters": "linear", "dim": 3}}, ["gradients.dim = 3"]),
        ({"model": {"path": "/no/such/model"}}, ["no such model directory (model.path, or --model"]),
        (
            {"model": {"path": "no-such-model"}},
            ["no such model directory (model.path, or --model", "and the Hub is not asked"],
        ),
        ({"model": {"checkpoints": ["/no/such/model"]}}, ["no such model directory (model.checkpoints)"]),
        ({"model": {"max_length": "64"}}, ["model.max_length", "valid integer; this is '64'"]),
        ({"corpus": {"truncation": "true"}}, ["corpus.truncation: Input", "this is 'true'"]),
        ({"model": {"task": "multi-label"}, "gradients": {"curvature": ["hessian"]}}, ["model.task", "mend the task"]),
        ({"corpus": {"skip_bad": "yes"}}, ["corpus.skip_bad", "valid boolean"]),
        ({"index": {"shard_rows": 5.0}}, ["index.shard_rows", "valid integer"]),
        ({"model": {"task": "translation"}}, ["model.task"]),
        ({"model": {"max_length": 4}}, ["tokens over the limit of 4", "corpus.truncate"]),
    ],
)
def test_a_bad_configuration_is_refused_by_build_and_show(
    sections: dict[str, Any], words: list[str], project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    config = project(**sections)
    refused(attridex("build", config, "--out", tmp_path / "i"), *words)
    refused(attridex("show", config), *words)
    assert not (tmp_path / "i").exists()


def test_site_pre_is_refused_for_a_gated_ffn(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    refused(attridex("build", project("llama", neurons={"site": "pre"}), "--out", tmp_path / "i"), "gated FFN", 'site = "post"')


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "x", ', ["train.jsonl:13", "not valid JSON"]),
        ("[1]", ["train.jsonl:13", "a JSON object is needed"]),
        ('{"id": "x", "premise": "a", "hypothesis": "b", "label": 9}', ["train.jsonl:13", "label 9", "LABEL_0"]),
        ('{"id": "x", "premise": "a", "hypothesis": "b", "label": "joy"}', ["label 'joy'"]),
        ('{"id": "t3", "premise": "a", "hypothesis": "b", "label": 1}', ["train.jsonl:13", "duplicate id 't3'"]),
        ('{"id": "x", "premise": " ", "hypothesis": "b", "label": 1}', ["train.jsonl:13", "'premise' is empty"]),
        ('{"id": "x", "premise": "a", "label": 1}', ["train.jsonl:13", "missing column 'hypothesis'"]),
        ('{"premise": "a", "hypothesis": "b", "label": 1}', ["train.jsonl:13", "missing column 'id'"]),
    ],
)
def test_a_bad_line_of_the_corpus_is_named(
    line: str, words: list[str], project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    config = project()
    with (tmp_path / "train.jsonl").open("a") as stream:
        stream.write(line + "\n")
    refused(attridex("build", config, "--out", tmp_path / "i"), *words)
    assert not (tmp_path / "i").exists()


def test_a_tokenizer_without_padding_token_is_refused(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config = project()
    source = Path(config.read_text().split('path = "')[1].split('"')[0])
    shutil.copytree(source, tmp_path / "m")
    path = tmp_path / "m" / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings))
    config.write_text(config.read_text().replace(str(source), str(tmp_path / "m")))
    refused(attridex("build", config, "--out", tmp_path / "i"), "no padding token")


def test_a_model_of_an_unknown_family_is_refused(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config = project()
    source = config.read_text().split('path = "')[1].split('"')[0]
    hf.ASTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8).save_pretrained(tmp_path / "m")
    word_tokenizer().save_pretrained(tmp_path / "m")
    config.write_text(config.read_text().replace(source, str(tmp_path / "m")))
    refused(
        attridex("build", config, "--out", tmp_path / "i"),
        "no ForSequenceClassification can be made of",
        "audio-spectrogram-transformer",
    )


def test_a_model_without_a_trained_head_is_refused(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config = project()
    source = Path(config.read_text().split('path = "')[1].split('"')[0])
    shutil.copytree(source, tmp_path / "m")
    weights = load_file(tmp_path / "m" / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, tmp_path / "m" / "model.safetensors", {"format": "pt"})
    config.write_text(config.read_text().replace(str(source), str(tmp_path / "m")))
    refused(attridex("build", config, "--out", tmp_path / "i"), "score.weight", "attridex finetune")


def test_a_language_model_is_no_classifier(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    tiny_model("llama", "causal-lm").save_pretrained(tmp_path / "m")
    word_tokenizer().save_pretrained(tmp_path / "m")
    ran = attridex("build", project("llama", model={"path": str(tmp_path / "m")}), "--out", tmp_path / "i")
    refused(ran, "LlamaForCausalLM, its task is causal-lm", "(model.task); or fine-tune it")


def cut_short(model: Path) -> None:
    """Weights that end early."""
    (model / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:500])


def configured(**changes: Any) -> Callable[[Path], None]:
    """A configuration that its weights were not saved with."""

    def change(model: Path) -> None:
        settings = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**settings, **changes}))

    return change


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda model: (model / "model.safetensors").unlink(), ["the model's weights cannot be loaded: ", "no file named"]),
        (cut_short, ["the model's weights cannot be loaded: "]),
        (configured(vocab_size=200), ["the weights have ", "of shape [", "by config.json it is [200, 24]"]),
        (configured(num_attention_heads=5), ["not a multiple of the number of attention heads"]),
        (configured(attn_implementation="flash_attention_2"), ["FlashAttention2 has been toggled on"]),
    ],
    ids=["no weights", "cut short", "another size", "heads", "kernel that is not there"],
)
def test_a_model_that_cannot_be_loaded_is_refused(
    break_it: Callable[[Path], None], words: list[str], project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    config = project("llama")
    source = Path(config.read_text().split('path = "')[1].split('"')[0])
    shutil.copytree(source, tmp_path / "m")
    break_it(tmp_path / "m")
    config.write_text(config.read_text().replace(str(source), str(tmp_path / "m")))
    refused(attridex("build", config, "--out", tmp_path / "i"), str(tmp_path / "m"), *words)


def test_a_missing_index_is_refused(attridex: Any, tmp_path: Path) -> None:
    for command in (("info",), ("verify",), ("versions",), ("query", "ia", "--instance", "t1", "--index")):
        refused(attridex(*command, tmp_path / "none"), "no attridex index there")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ia", "--instance", "t1", "--k", "0"], ["k = 0: must be 1 to 12"]),
        (["ia", "--instance", "nobody"], ["no instance 'nobody'"]),
        (["ia", "--instance", "t1", "--method", "grad-dott"], ["did you mean 'grad-dot'?"]),
        (["ia", "--instance", "t1", "--method", "influence"], ['gradients.curvature = ["fisher"]']),
        (["ia", "--instance", "t1", "--damping", "0.1"], ["method 'grad-dot' has none"]),
        (["ia", "--instance", "t1", "--where", "gener = 'phone'"], ["unknown column 'gener'", "did you mean 'genre'?"]),
        (["ia", "--instance", "t1", "--where", "loss = 'high'"], ["column 'loss' holds a number"]),
        (["ia", "--instance", "t1", "--where", "lower(genre) = 'x'"], ["not allowed"]),
        (["ia", "--instance", "t1", "--fields", "premis"], ["unknown column 'premis'"]),
        (["na", "--instance", "t1", "--r", "9999"], ["r = 9999: must be 0 to 120"]),
        (["na-instances", "--instance", "t1", "--similarity", "cosine"], ["similarity: unknown 'cosine'"]),
        (["ia-neurons", "--instance", "t1", "--aggregate", "mean"], ["aggregate: unknown 'mean'"]),
        (["ia"], ["give one of --queries FILE or --instance ID"]),
    ],
)
def test_a_bad_query_is_refused(
    arguments: list[str], words: list[str], project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    assert attridex("build", project(), "--out", tmp_path / "i").code == 0
    refused(attridex("query", *arguments, "--index", tmp_path / "i"), *words)


def test_a_word_that_is_no_choice_is_shown_beside_the_choices() -> None:
    config = {"model": {"path": "m"}, "corpus": {"files": ["x"], "segments": ["{a}"]}, "gradients": {"curvature": ["fischer"]}}
    with pytest.raises(InputError, match=r"gradients\.curvature\.0: Input should be .*'fisher'.*; this is 'fischer'"):
        parse_config(config, "config.toml", Path())
