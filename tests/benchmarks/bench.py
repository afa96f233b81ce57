"""Ratios of attridex's paths to what the hardware must do, both measured in this run: `make bench`.

Every figure is the median of paired repeats, own path over floor; absolute seconds say more of the machine than of the code.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers

from attridex.indexer.architectures import Architecture, family_of
from attridex.indexer.batches import TokenBatch, pad
from attridex.indexer.config import GradientsConfig
from attridex.indexer.gradients import make_gradients
from attridex.indexer.neurons import score_neurons
from attridex.indexer.objectives import OBJECTIVES, InstanceBatch
from attridex.indexer.quadrature import quadrature
from attridex.indexer.vectors import VectorFile, unit_rows, write_vectors
from attridex.service.requests import never_cancelled
from attridex.service.scan import Part, Scanner

REPEATS = 7
LAYERS, WIDTH, TOKENS, BATCH, STEPS = 6, 256, 64, 16, 20
ROWS, DIM = 100_000, 768


def seconds(work: Callable[[], object]) -> float:
    """Time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(own: Callable[[], object], floor: Callable[[], object], scale: float = 1.0) -> dict[str, float]:
    """Median and spread of own time over `scale` times the floor's, in turn; the first pair warms up."""
    pairs = [(seconds(own), seconds(floor)) for _ in range(REPEATS + 1)][1:]
    found = [mine / (least * scale) for mine, least in pairs]
    return {"ratio": statistics.median(found), "min": min(found), "max": max(found)}


def model() -> tuple[Architecture, TokenBatch]:
    """A random OPT of moderate size and a batch without padding."""
    torch.manual_seed(0)
    config = transformers.OPTConfig(
        hidden_size=WIDTH, word_embed_proj_dim=WIDTH, ffn_dim=4 * WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4,
        vocab_size=1000, max_position_embeddings=128, num_labels=3, pad_token_id=1,
    )  # fmt: skip
    built = transformers.AutoModelForSequenceClassification.from_config(config).eval().requires_grad_(False)
    ids = torch.randint(5, 1000, (BATCH, TOKENS)).tolist()
    return Architecture(built, family_of("opt", "bench")), pad(ids, 1, torch.device("cpu"))


def model_paths() -> dict[str, dict[str, float]]:
    """Gradients and neuron scores against plain passes over the same batch."""
    arch, batch = model()
    objective = OBJECTIVES["sequence-classification"]
    instances = InstanceBatch(batch, BATCH, torch.zeros(BATCH, dtype=torch.long), torch.zeros(BATCH, dtype=torch.long))
    head = make_gradients(arch, objective, GradientsConfig(parameters="head", dim=4096, seed=0))
    linear = make_gradients(arch, objective, GradientsConfig(parameters="linear", projection="kronecker", dim=4096, seed=0))
    rule = quadrature("riemann", STEPS)

    def forward() -> None:
        with torch.no_grad():
            arch.body(batch.ids, attention_mask=batch.mask, use_cache=False)

    def both() -> None:
        embeddings = arch.model.get_input_embeddings()(batch.ids).requires_grad_(True)  # type: ignore[operator]
        out = arch.body(inputs_embeds=embeddings, attention_mask=batch.mask, use_cache=False).last_hidden_state
        arch.head(out[:, -1]).logsumexp(1).sum().backward()

    def neurons() -> None:
        score_neurons(arch, batch, "post", rule, lambda logits: objective.watch(logits, ()))

    # methods.md: 1 + L m / T forward passes is the aim for all layers and m points.
    passes = 1 + LAYERS * STEPS / TOKENS
    return {
        "build head / forward": ratio(lambda: head.take(instances), forward),
        "build linear kronecker / forward+backward": ratio(lambda: linear.take(instances), both),
        "neurons / (1 + L m / T) forwards": ratio(
            lambda: score_neurons(arch, batch, "post", rule, lambda logits: objective.watch(logits, ())), forward, passes
        ),
    }


def scan_paths() -> dict[str, dict[str, float]]:
    """The exact scan against reading the bytes once, and against a matrix product of the same shape."""
    vectors = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    units, norms = unit_rows(vectors)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "vectors.faiss"
        write_vectors(path, units, "float32")
        parts = [Part(VectorFile(path), norms, 0)]
    stored, scanner = parts[0].vectors.codes, Scanner()
    queries = np.random.default_rng(1).normal(size=(32, DIM))
    single = queries[0].astype(np.float32)

    def top(count: int) -> None:
        scanner.top(parts, queries[:count], 10, lambda rows: [str(row) for row in rows], never_cancelled)

    found = {
        "scan, 1 query / reading the vectors once (one thread)": ratio(lambda: top(1), lambda: stored.sum(dtype=np.float32)),
        "scan, 1 query / matrix-vector product": ratio(lambda: top(1), lambda: stored @ single),
        "scan, 32 queries / matrix product": ratio(lambda: top(32), lambda: queries.astype(np.float32) @ stored.T),
    }
    scanner.close()
    return found


if __name__ == "__main__":
    for name, figures in {**model_paths(), **scan_paths()}.items():
        sys.stdout.write(json.dumps({"path": name, **{key: round(value, 3) for key, value in figures.items()}}) + "\n")
