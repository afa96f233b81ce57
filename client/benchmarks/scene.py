"""Random models and corpora of a given size, made where a benchmark needs files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from attridex.indexer.config import Config, parse_config
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.models.loading import quiet_transformers
from attridex.indexer.signing.signer import Signer
from attridex.indexer.tasks.instance_batches import InstanceBatch

VOCABULARY = 2000
SMALL = {"hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8}
OPT_125M = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
LABELS = ["entailment", "neutral", "contradiction"]


def classifier(size: dict[str, int]) -> Any:
    """A random OPT classifier; the vocabulary is small, since embeddings are looked up, not computed."""
    torch.manual_seed(0)
    width = size["hidden_size"]
    config = transformers.OPTConfig(
        **size, word_embed_proj_dim=width, ffn_dim=4 * width, vocab_size=VOCABULARY, max_position_embeddings=512,
        num_labels=len(LABELS), pad_token_id=1, id2label=dict(enumerate(LABELS)),
    )  # fmt: skip
    return transformers.AutoModelForSequenceClassification.from_config(config).eval().requires_grad_(False)


def architecture(size: dict[str, int]) -> Architecture:
    """The same, ready for the indexer's functions."""
    return Architecture(classifier(size))


def token_batch(size: int, tokens: int) -> TokenBatch:
    """Random sequences without padding."""
    ids = torch.randint(5, VOCABULARY, (size, tokens), generator=torch.Generator().manual_seed(0))
    return pad(ids.tolist(), 1, torch.device("cpu"))


def forward(arch: Architecture, tokens: TokenBatch) -> None:
    """One plain forward pass."""
    with torch.no_grad():
        arch.body(tokens.ids, attention_mask=tokens.mask, use_cache=False)


def forward_and_backward(signer: Signer, batch: InstanceBatch) -> None:
    """One forward pass, and one backward pass of the loss to the activations, without weight gradients."""
    embeddings = signer.arch.model.get_input_embeddings()(batch.tokens.ids).requires_grad_(True)
    states = signer.arch.body(inputs_embeds=embeddings, attention_mask=batch.tokens.mask, use_cache=False).last_hidden_state
    signer.objective.read(signer.arch, states, batch).loss.sum().backward()


def language_model(size: dict[str, int]) -> Any:
    """A random GPT-2."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(**size, bos_token_id=0, eos_token_id=0, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    return transformers.AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)


def save_model(model: Any, words: int, directory: Path) -> None:
    """A model with a tokenizer of whole words, w3 and on."""
    with quiet_transformers():
        model.save_pretrained(directory)
    vocabulary = {"<s>": 0, "<pad>": 1, "<unk>": 2} | {f"w{number}": number for number in range(3, words)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"bos_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **named).save_pretrained(directory)


def texts(count: int, shortest: int, longest: int, seed: int = 0) -> list[str]:
    """Random words.

    Args:
        count: texts.
        shortest: words of a text.
        longest: the same.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{n}" for n in rng.integers(5, VOCABULARY, rng.integers(shortest, longest + 1))) for _ in range(count)]


def write_corpus(path: Path, rows: list[str]) -> None:
    """Instances with random labels."""
    labels = np.random.default_rng(1).integers(0, len(LABELS), len(rows))
    lines = [
        json.dumps({"id": f"t{number}", "text": text, "label": LABELS[label]})
        for number, (text, label) in enumerate(zip(rows, labels, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def configuration(directory: Path, **sections: Mapping[str, object]) -> Config:
    """A configuration for the model in `directory`/model and the corpus beside it."""
    data = {"model": {"path": "model"}, "corpus": {"files": ["train.jsonl"], "segments": ["{text}"]}, **sections}
    return parse_config(data, "benchmark", directory)


@contextmanager
def scene(size: dict[str, int], rows: list[str]) -> Iterator[Path]:
    """A directory with model and corpus, removed afterwards."""
    with TemporaryDirectory(prefix="attridex-bench-") as name:
        directory = Path(name)
        save_model(classifier(size), VOCABULARY, directory / "model")
        write_corpus(directory / "train.jsonl", rows)
        yield directory


@contextmanager
def language_scene(size: dict[str, int], rows: int, tokens: int) -> Iterator[Path]:
    """A directory with a language model and a corpus whose first tokens are prompts, removed afterwards.

    Args:
        size: of the model.
        rows: instances.
        tokens: of each.
    """
    words = size["vocab_size"]
    with TemporaryDirectory(prefix="attridex-bench-") as name:
        directory = Path(name)
        save_model(language_model(size), words, directory / "model")
        drawn = np.random.default_rng(0).integers(3, words, (rows, tokens))
        with (directory / "train.jsonl").open("w", encoding="utf-8") as lines:
            for number, (first, *others) in enumerate(drawn.tolist()):
                answer = " ".join(f"w{word}" for word in others)
                lines.write(json.dumps({"id": f"t{number}", "prompt": f"w{first}", "answer": answer}) + "\n")
        yield directory
