"""On a GPU: building, neuron scores and search, each beside what the GPU must do for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from attridex.client.benchmarks.building import batches_of, instances_of
from attridex.client.benchmarks.measure import Figure, against
from attridex.client.benchmarks.scene import OPT_125M, configuration, language_scene, scene, texts
from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.plan import make_plan, survey_corpus
from attridex.indexer.building.versions import commit
from attridex.indexer.corpus.spool import spooled
from attridex.indexer.index.vectors import Part, Vectors
from attridex.indexer.models.precision import one_precision
from attridex.indexer.signing.signer import Signer
from attridex.service.devices.resident import Chunk, Resident

DEVICE = "cuda"
GPT2 = {"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257}
ROWS, TOKENS, BATCH, SIDE = 8192, 256, 32, 16
"""Instances of a build, tokens of each, instances of a batch, and numbers that are kept of each side of a layer's gradient."""
OPT_1B = {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32}
SHORT, STEPS, TOGETHER = 64, 20, 16384
"""Tokens of a text whose neurons are scored, points, and tokens of a batch."""
STORED, DIM, BEST = 4_000_000, 4096, 10
"""Rows that are searched, their numbers, and how many are asked for."""


@dataclass(frozen=True)
class Precision:
    """What passes are rounded to, as the configuration says it, and what a build may take of its floor."""

    settings: Mapping[str, object]
    target: float


PRECISIONS = {
    "bfloat16": Precision({"dtype": "bfloat16"}, 0.9),
    "float32": Precision({"dtype": "float32"}, 1.1),
    "tf32": Precision({"dtype": "float32", "tf32": True}, 1.0),
}


def build(repeats: int) -> Iterator[Figure]:
    """From corpus on disk to index on disk, model loaded and passes recorded, against transformers' own passes."""
    with language_scene(GPT2, ROWS, TOKENS - 1) as directory:  # the tokenizer puts one more before them
        for name, precision in PRECISIONS.items():
            with one_precision():
                yield built(directory, name, precision, repeats)


def built(directory: Path, name: str, precision: Precision, repeats: int) -> Figure:
    """The figure of one precision.

    Args:
        directory: of model and corpus.
        name: of the precision.
        precision: of model and build.
        repeats: pairs that count.
    """
    config = configuration(
        directory,
        model={"path": "model", "task": "causal-lm", "device": DEVICE, **precision.settings},
        corpus={"files": ["train.jsonl"], "segments": ["{prompt}"], "target": "{answer}"},
        gradients={"parameters": "linear", "projection": "kronecker", "dim": SIDE * SIDE * 4 * GPT2["n_layer"]},
        neurons={"enabled": False},
        engine={"batch_tokens": BATCH * TOKENS},
    )
    signer, numbers = Signer.load(config), count()
    batches = ids_of(signer)

    def whole() -> None:
        index = directory / f"{name}-{next(numbers)}"
        with spooled(index) as spool:
            plan = make_plan(config, survey_corpus(config, spool.add), signer)
            build_ranges(plan, signer, index, show_progress=False, spool=spool)
            commit(index, plan, signer)

    whole()  # passes are recorded when their shape comes for the second time
    words = "transformers' own forward, loss and backward to activations, no weight gradients"
    return against(
        f"build on a GPU, {name}", whole, lambda: plain_passes(signer, batches), words, target=precision.target, repeats=repeats
    )


def ids_of(signer: Signer) -> list[torch.Tensor]:
    """Token ids [b, t] as the build batches them."""
    return [batch.tokens.ids for batch in batches_of(signer)]


def plain_passes(signer: Signer, batches: list[torch.Tensor]) -> None:
    """Passes as transformers does them; the positions' embeddings learn, so that gradients reach all activations."""
    model = signer.arch.model
    learning = model.get_parameter("transformer.wpe.weight").requires_grad_(True)
    for ids in batches:
        model(ids, labels=ids).loss.backward()
        learning.grad = None
    learning.requires_grad_(False)
    settle()


def neurons(repeats: int) -> Iterator[Figure]:
    """Scores of all layers and points in bfloat16, against as many forward passes as the packed rows amount to."""
    for name, size, rows in (("125m", OPT_125M, 512), ("1.3b", OPT_1B, 128)):
        with scene(size, texts(rows, SHORT - 1, SHORT - 1)) as directory, one_precision():
            yield scored(directory, f"neuron scores on a GPU, {name}, bfloat16", size["num_hidden_layers"], repeats)


def scored(directory: Path, name: str, layers: int, repeats: int) -> Figure:
    """The figure of one size.

    Args:
        directory: of model and corpus.
        name: of the figure.
        layers: of the model.
        repeats: pairs that count.
    """
    config = configuration(
        directory,
        model={"path": "model", "device": DEVICE, "dtype": "bfloat16"},
        gradients={"parameters": "head"},
        neurons={"steps": STEPS},
        engine={"batch_tokens": TOGETHER},
    )
    signer = Signer.load(config)
    instances = instances_of(signer)
    decisions = [signature.decision for signature in signer.sign(instances, gradient=False, neurons=False)]
    batches = ids_of(signer)

    def own() -> None:
        list(signer.scorer.scores(instances, decisions))

    def forward() -> None:
        with torch.no_grad():
            for ids in batches:
                signer.arch.model(ids)
        settle()

    own()  # passes are recorded when their shape comes for the second time
    words = "1 + L m / T forward passes (L layers, m points, T tokens)"
    return against(name, own, forward, words, target=1.5, repeats=repeats, scale=1 + layers * STEPS / SHORT)


def search(repeats: int) -> Iterator[Figure]:
    """Exact best rows of one query among resident float16 vectors, against copying half of them."""
    rows = torch.empty(STORED, DIM, dtype=torch.float16, device=DEVICE)
    for block in rows.split(max(1, STORED // 16)):
        block.normal_(std=DIM**-0.5)
    half = rows[: STORED // 2]
    copied, query = torch.empty_like(half), np.random.default_rng(0).standard_normal((1, DIM))
    held = Resident([Part(OnDevice(rows), np.ones(STORED, np.float32), 0)], [Chunk(rows)], Lock())

    def copy() -> None:
        copied.copy_(half)
        settle()

    words = "copying half of the vectors, which reads and writes as many bytes as all of them have"
    yield against(
        "search on a GPU, 1 query, float16", lambda: held.finalists(query, BEST, None, 0), copy, words,
        target=1 / 0.85, repeats=repeats,
    )  # fmt: skip


class OnDevice(Vectors):
    """Vectors that are on a device alone: their finalists are read from there."""

    def __init__(self, vectors: torch.Tensor) -> None:
        """Float16 rows [n, d]."""
        self._vectors = vectors
        self.rows, self.dim = vectors.shape
        self.dtype = np.dtype(np.float16)

    def stored(self, rows: Any) -> NDArray[Any]:
        """See `Vectors`."""
        found: NDArray[Any] = self._vectors[rows].cpu().numpy()
        return found


def settle() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
