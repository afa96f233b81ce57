"""What the laws of the engine are tested with: tiny models of every family, and the slow, plain ways."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.neurons.quadrature import Quadrature, quadrature
from attridex.indexer.neurons.scores import NeuronPass, score_neurons
from attridex.indexer.signing.signer import Signer
from attridex.indexer.tasks.probes import Probe, Wanted
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.conftest import SEGMENTS

FAMILIES = ["opt", "opt-post-norm", "gpt2", "gpt_neox", "bloom", "llama", "qwen2", "qwen2-window", "gemma", "bert", "roberta"]
STEPS = 5
RIEMANN = quadrature("riemann", STEPS)
GATED = ("llama", "qwen2", "qwen2-window", "gemma")
SITES = [(family, site) for family in FAMILIES for site in ("post", "pre", "head") if not (family in GATED and site == "pre")]


def load(directory: Path) -> Architecture:
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval().requires_grad_(False)
    return Architecture(model)


def signer(directory: Path, **sections: dict[str, Any]) -> Signer:
    config: dict[str, Any] = {"model": {"path": str(directory)}, "corpus": {"files": ["x.jsonl"], "segments": SEGMENTS}}
    return Signer.load(parse_config({**config, **sections}, "test", directory))


def sequences() -> list[list[int]]:
    return [[1, *range(5, 5 + length)] for length in (9, 6, 3)]


def batch(rows: list[list[int]]) -> TokenBatch:
    return pad(rows, 0, torch.device("cpu"))


def scored(arch: Architecture, rows: TokenBatch, site: Any = "post", rule: Quadrature = RIEMANN) -> NeuronPass:
    """Neuron scores of the predicted label."""
    wanted = Wanted.of([Probe(()) for _ in rows.ids], rows.ids.device)
    return score_neurons(arch, rows, site, rule, lambda logits: OBJECTIVES["sequence-classification"].watch(logits, wanted))


def instances(rows: list[list[int]], labels: list[int]) -> list[RenderedInstance]:
    return [
        RenderedInstance(str(n), (tuple(ids),), label, str(n), False, {})
        for n, (ids, label) in enumerate(zip(rows, labels, strict=True))
    ]


@contextmanager
def last_position(arch: Architecture, layer: int, read: int, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """The plain way: replace one layer's FFN activations at one position of one sequence."""

    def hook(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = args[0].clone()
        flat = x.reshape(-1, x.shape[-1])
        flat = torch.cat([flat[:read], change(flat[read])[None], flat[read + 1 :]])
        return (flat.reshape(x.shape),)

    handle = arch.ffn_out[layer].register_forward_pre_hook(hook)
    yield
    handle.remove()
