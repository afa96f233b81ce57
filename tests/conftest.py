"""Fixtures: tiny models of every family, a tiny corpus, the command line in this process."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

GOLDEN = Path(__file__).parent / "golden"
SEGMENTS = ["Premise : {premise}", "/ Hypothesis : {hypothesis}", "/ Answer :"]
SHOWN: dict[str, dict[str, Any]] = {
    "sequence-classification": {"segments": SEGMENTS},
    "multiple-choice": {"segments": ["Premise : {premise}", "/ Hypothesis : {choice}", "/ Answer :"]},
    "causal-lm": {"segments": ["Premise : {premise}", "/ Answer :"], "target": "{answer}"},
}
WORDS = "Premise Hypothesis Answer : / the a doctor lawyer saw helped paid not some dog cat ran slept today park ."
PIECES = 120
"""Tokens of the tokenizer of word pieces."""
SMALL = {"num_labels": 3, "pad_token_id": 0, "vocab_size": 40}
BASE = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 64}
GATED = {**BASE, "intermediate_size": 40, "num_key_value_heads": 2}
ROUTED = {**GATED, "intermediate_size": 12, "num_experts_per_tok": 2}
QWEN2_MOE = {"moe_intermediate_size": 8, "shared_expert_intermediate_size": 20, "num_experts": 4}
GLM4_MOE = {
    "moe_intermediate_size": 8, "n_routed_experts": 4, "n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 2,
    "topk_group": 2, "head_dim": 6,
}  # fmt: skip
MAMBA2 = {"hidden_size": 24, "num_hidden_layers": 3, "state_size": 4, "num_heads": 6, "head_dim": 8, "n_groups": 2}
QWEN3_MOE = {"moe_intermediate_size": 8, "num_experts": 4, "head_dim": 6}
CONFIGS: dict[str, Callable[[], Any]] = {
    "opt": lambda: hf.OPTConfig(**BASE, ffn_dim=40, word_embed_proj_dim=24, **SMALL),
    "opt-post-norm": lambda: hf.OPTConfig(**BASE, ffn_dim=40, word_embed_proj_dim=12, do_layer_norm_before=False, **SMALL),
    "gpt2": lambda: hf.GPT2Config(n_embd=24, n_layer=3, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=1, **SMALL),
    "gpt_neox": lambda: hf.GPTNeoXConfig(**BASE, intermediate_size=40, **SMALL),
    "bloom": lambda: hf.BloomConfig(hidden_size=24, n_layer=3, n_head=4, **SMALL),
    "llama": lambda: hf.LlamaConfig(**GATED, **SMALL),
    "qwen2": lambda: hf.Qwen2Config(**GATED, **{**SMALL, "vocab_size": PIECES}),
    "qwen2-window": lambda: hf.Qwen2Config(**GATED, use_sliding_window=True, sliding_window=5, max_window_layers=1, **SMALL),
    "gemma": lambda: hf.GemmaConfig(**GATED, head_dim=6, **SMALL),
    "mixtral": lambda: hf.MixtralConfig(**ROUTED, num_local_experts=4, **SMALL),
    "qwen3_moe": lambda: hf.Qwen3MoeConfig(**ROUTED, **QWEN3_MOE, mlp_only_layers=[1], **SMALL),
    "qwen2_moe": lambda: hf.Qwen2MoeConfig(**ROUTED, **QWEN2_MOE, **SMALL),
    "glm4_moe": lambda: hf.Glm4MoeConfig(**ROUTED, **GLM4_MOE, **SMALL),
    "olmoe": lambda: hf.OlmoeConfig(**ROUTED, num_experts=4, **SMALL),
    "gpt_oss": lambda: hf.GptOssConfig(**ROUTED, head_dim=6, num_local_experts=4, sliding_window=5, **SMALL),
    "mamba": lambda: hf.MambaConfig(hidden_size=24, num_hidden_layers=3, state_size=4, **SMALL),
    "mamba2": lambda: hf.Mamba2Config(**MAMBA2, **SMALL),
    "falcon_mamba": lambda: hf.FalconMambaConfig(hidden_size=24, num_hidden_layers=3, state_size=4, **SMALL),
    "bert": lambda: hf.BertConfig(**BASE, intermediate_size=40, **SMALL),
    "roberta": lambda: hf.RobertaConfig(**BASE, intermediate_size=40, **SMALL),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests often wait, for processes, sockets and deadlines."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors: threads would only get in each other's way."""
    torch.set_num_threads(1)


def tiny_model(family: str, task: str = "sequence-classification", outputs: int = 1) -> Any:
    """A random model of a family; weights are large enough to make neurons matter."""
    torch.manual_seed(0)
    config = CONFIGS[family]()
    config.initializer_range = config.init_std = 0.3
    if task == "multiple-choice":
        config.num_labels = outputs
    heads = {"causal-lm": hf.AutoModelForCausalLM, "token-classification": hf.AutoModelForTokenClassification}
    made = heads.get(task, hf.AutoModelForSequenceClassification)
    return made.from_config(config).eval()


def word_tokenizer(pad: bool = True) -> Any:
    """A tokenizer of whole words with BOS."""
    specials = ["<pad>", "<s>", "<unk>"]
    vocabulary = {word: number for number, word in enumerate(specials + WORDS.split())}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>"} | ({"pad_token": "<pad>"} if pad else {})
    return hf.PreTrainedTokenizerFast(tokenizer_object=raw, **named)


def piece_tokenizer() -> Any:
    """A byte-level tokenizer of word pieces with BOS, as transformers reads those of Qwen2 whatever their file says."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    named = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>"}
    specials = list(dict.fromkeys(named.values()))
    raw.train_from_iterator([WORDS], trainers.BpeTrainer(vocab_size=PIECES, special_tokens=specials, show_progress=False))
    return hf.PreTrainedTokenizerFast(tokenizer_object=raw, **named)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Directory of a saved tiny model of a family, for a task."""
    made: dict[tuple[str, str], Path] = {}

    def directory(family: str, task: str = "sequence-classification") -> Path:
        key = (family, task)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(family)
            tiny_model(family, task).save_pretrained(made[key])
            (piece_tokenizer() if family == "qwen2" else word_tokenizer()).save_pretrained(made[key])
        return made[key]

    return directory


def records(count: int) -> list[dict[str, Any]]:
    """Sentence pairs of many lengths."""
    words = WORDS.split()[5:]
    return [
        {
            "id": f"t{number}",
            "premise": " ".join(words[(number * 7 + at) % len(words)] for at in range(1 + number % 9)),
            "hypothesis": " ".join(words[(number * 3 + at) % len(words)] for at in range(1 + number % 4)),
            "label": number % 3,
            "genre": ["phone", "travel"][number % 2],
            "choices": [
                " ".join(words[(number * 5 + 3 * c + at) % len(words)] for at in range(1 + (number + c) % 4)) for c in range(3)
            ],
            "answer": " ".join(words[(number * 11 + at) % len(words)] for at in range(1 + number % 3)),
        }
        for number in range(count)
    ]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write records."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_toml(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a configuration file."""
    lines = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines))
    return path


def write_project(
    directory: Path, model: Path, count: int, task: str, sections: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """Write a corpus, queries and a configuration, which is given back.

    Args:
        directory: where.
        model: its directory.
        count: records of the corpus; the first four are the queries.
        task: of the model.
        sections: of the configuration, merged into those that are there.
    """
    write_jsonl(directory / "train.jsonl", records(count))
    write_jsonl(directory / "queries.jsonl", [{**row, "id": f"q{row['id']}"} for row in records(count)[:4]])
    config: dict[str, dict[str, Any]] = {
        "model": {"path": str(model), "task": task},
        "corpus": {"files": ["train.jsonl"], "metadata": ["genre"], **SHOWN[task]},
        "index": {"shard_rows": 5},
    }
    for name, values in (sections or {}).items():
        config[name] = {**config.get(name, {}), **values}
    return write_toml(directory / "config.toml", config)


@pytest.fixture
def project(tmp_path: Path, model_dir: Callable[..., Path]) -> Callable[..., Path]:
    """A directory with corpus, queries and a configuration; sections given as dicts are merged in."""

    def make(family: str = "opt", count: int = 12, task: str = "sequence-classification", **sections: dict[str, Any]) -> Path:
        return write_project(tmp_path, model_dir(family, task), count, task, sections)

    return make


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory, model_dir: Callable[..., Path]) -> Callable[..., Path]:
    """A directory as `project` makes it, with its `index`, built once for what is given: tests that change it take a copy."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import load_config

    made: dict[str, Path] = {}

    def make(family: str = "opt", count: int = 12, task: str = "sequence-classification", **sections: dict[str, Any]) -> Path:
        key = json.dumps([family, count, task, sections])
        if key not in made:
            directory = tmp_path_factory.mktemp("indexed")
            config = write_project(directory, model_dir(family, task), count, task, sections)
            build(load_config(config), directory / "index", show_progress=False)
            made[key] = directory
        return made[key]

    return make


class Ran:
    """What a command left: exit code, standard output and error."""

    def __init__(self, code: int, out: str, err: str) -> None:
        """Keep them."""
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def attridex(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command in this process."""
    from attridex.client.commands.app import main

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run
