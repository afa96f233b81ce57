"""A model with one neuron wired by hand to decide, and a small project whose index all studies run on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.conftest import Ran, word_tokenizer, write_jsonl

WIRED = (1, 5)
"""Layer and unit of the neuron that decides."""
CONTENT, CONSTANT, VERDICT = 0, 6, 7
"""Dimensions of the residual stream: what the last word says (+1 or -1), a constant 1, and what the head reads."""


def wired_model() -> Any:
    """A Llama classifier of three labels: the wired neuron carries the last word to the head; without it "none" wins."""
    torch.manual_seed(0)
    config = hf.LlamaConfig(
        vocab_size=12, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=16, num_labels=3, pad_token_id=0, bos_token_id=1, eos_token_id=1,
        id2label={0: "plus", 1: "minus", 2: "none"}, label2id={"plus": 0, "minus": 1, "none": 2},
    )  # fmt: skip
    model = hf.LlamaForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.copy_(0.01 * torch.randn_like(weight))
            assert weight.dim() <= 2, name
        words = model.model.embed_tokens.weight
        words[:, CONTENT], words[:, CONSTANT], words[:, VERDICT] = 0, 1, 0
        words[3:7, CONTENT], words[7:11, CONTENT] = 1, -1
        layer, unit = WIRED
        mlp = model.model.layers[layer].mlp
        mlp.gate_proj.weight[unit, CONSTANT] = 3.0
        mlp.up_proj.weight[unit, CONTENT] = 3.0
        mlp.down_proj.weight[VERDICT, unit] = 1.0
        model.score.weight.zero_()
        model.score.weight[0, VERDICT], model.score.weight[1, VERDICT], model.score.weight[2, CONSTANT] = 4.0, -4.0, 2.0
    return model


def wired_tokenizer() -> Any:
    """Words: four that say plus, four that say minus."""
    names = ["<pad>", "<s>", "<unk>", *(f"good{n}" for n in range(4)), *(f"bad{n}" for n in range(4))]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(names)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="<s>", unk_token="<unk>", pad_token="<pad>"
    )


def wired_records(count: int) -> list[dict[str, Any]]:
    """Texts whose last word decides."""
    words = [f"{kind}{n}" for n in range(4) for kind in ("good", "bad")]
    return [
        {
            "id": f"w{number}", "text": f"{words[(number * 3) % 8]} {words[number % 8]}",
            "label": "plus" if words[number % 8].startswith("good") else "minus",
        }
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture
def wired(tmp_path: Path, attridex: Callable[..., Ran]) -> Path:
    """An index of the wired model; beside it queries.jsonl."""
    wired_model().save_pretrained(tmp_path / "model")
    wired_tokenizer().save_pretrained(tmp_path / "model")
    write_jsonl(tmp_path / "train.jsonl", wired_records(24))
    write_jsonl(tmp_path / "queries.jsonl", [{**row, "id": f"q{row['id']}"} for row in wired_records(16)])
    (tmp_path / "config.toml").write_text('[model]\npath = "model"\n[corpus]\nfiles = ["train.jsonl"]\nsegments = ["{text}"]\n')
    assert attridex("build", tmp_path / "config.toml", "--out", tmp_path / "index").code == 0
    return tmp_path / "index"


def result(out: Path, study: str) -> dict[str, Any]:
    """A study's result."""
    found: dict[str, Any] = json.loads((out / study / "result.json").read_text())
    return found


WORDS = ["a", "the", "doctor", "lawyer", "dog", "cat", "ran", "slept", "saw", "helped", "today", "park"]


def labelled(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Pairs whose label is the hypothesis's first word's place among the premise's."""
    rows = []
    for number in range(first, first + count):
        premise = [WORDS[(number * 5 + at * 7) % len(WORDS)] for at in range(4 + number % 3)]
        hypothesis = [premise[number % 2], WORDS[(number * 11) % len(WORDS)]]
        rows.append({"id": f"t{number}", "premise": " ".join(premise), "hypothesis": " ".join(hypothesis), "label": number % 2})
    return rows


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a pretrained model, a corpus, tests, a model trained on it, its index and settings of all studies."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import load_config
    from attridex.indexer.training.finetuning import finetune

    directory = tmp_path_factory.mktemp("studied")
    torch.manual_seed(0)
    base = hf.OPTConfig(
        vocab_size=40, hidden_size=24, word_embed_proj_dim=24, ffn_dim=40, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, num_labels=2, pad_token_id=0,
    )  # fmt: skip
    hf.OPTForSequenceClassification(base).save_pretrained(directory / "base")
    word_tokenizer().save_pretrained(directory / "base")
    write_jsonl(directory / "train.jsonl", labelled(40))
    write_jsonl(directory / "test.jsonl", labelled(16, 1000))
    (directory / "config.toml").write_text(
        '[model]\npath = "model"\n[corpus]\nfiles = ["train.jsonl"]\nlabels = ["no", "yes"]\n'
        'segments = ["Premise : {premise}", "/ Hypothesis : {hypothesis}", "/ Answer :"]\n'
        '[gradients]\ncurvature = ["hessian"]\n[neurons]\nsteps = 4\n[index]\nshard_rows = 16\napproximate = ["sq8"]\n'
        '[training]\nbase = "base"\nepochs = 3\nbatch_size = 8\nlearning_rate = 1e-2\ntest_files = ["test.jsonl"]\n'
    )
    (directory / "settings.toml").write_text(
        "queries = 8\n"
        '[faithfulness]\nsizes = [1, 5]\ndraws = 2\n[artefacts]\nfirst = "premise"\nsecond = "hypothesis"\n[lds]\nhalves = 6\n'
        "[mislabel]\npool = 20\n[finetune-subsets]\nfractions = [0.5]\nseeds = 2\n[evidence]\nqueries = 2\n"
    )
    config = load_config(directory / "config.toml")
    finetune(config, directory / "model", show_progress=False)
    build(load_config(directory / "config.toml"), directory / "index", show_progress=False)
    return directory
