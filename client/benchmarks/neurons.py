"""Neuron scores and ablations at OPT-125m's size, 64 tokens."""

from collections.abc import Iterator
from functools import partial
from itertools import islice, product

import torch

from attridex.client.benchmarks.measure import Figure, against, faster
from attridex.client.benchmarks.scene import OPT_125M, architecture, forward, token_batch
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import TokenBatch
from attridex.indexer.models.hooks import edited_ffn
from attridex.indexer.neurons.quadrature import quadrature
from attridex.indexer.neurons.scores import edited_logits, score_neurons
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.tasks.probes import Probe, Wanted
from attridex.indexer.tasks.registry import OBJECTIVES

TOKENS, BATCH, STEPS = 64, 8, 20
SIZES = (0, 1, 2, 5, 10, 20, 50, 100)
LOOPED = 16
"""Passes of the loop that are timed; a layer's points cost the same wherever they lie."""


def neuron_scores(repeats: int) -> Iterator[Figure]:
    """All layers and points, against as many forward passes as the packed rows amount to, and against the plain loop."""
    arch, batch, one = architecture(OPT_125M), token_batch(BATCH, TOKENS), token_batch(1, TOKENS)
    objective, rule, layers = OBJECTIVES["sequence-classification"], quadrature("riemann", STEPS), OPT_125M["num_hidden_layers"]

    def own(tokens: TokenBatch) -> None:
        wanted = Wanted.of([Probe(()) for _ in tokens.ids], tokens.ids.device)
        score_neurons(arch, tokens, "post", rule, partial(objective.watch, wanted=wanted))

    passes = 1 + layers * STEPS / TOKENS
    words = "1 + L m / T forward passes (L layers, m points, T tokens)"
    yield against(
        "neuron scores", lambda: own(batch), lambda: forward(arch, batch), words, target=1.3, repeats=repeats, scale=passes
    )
    words = f"the loop that scores one point of one layer a pass ({LOOPED} of its {layers * STEPS} passes timed), one instance"
    yield faster(
        "neuron scores, loop", lambda: own(one), lambda: plain_loop(arch, one, layers), words,
        target=55, repeats=repeats, scale=layers * STEPS / LOOPED,
    )  # fmt: skip


def plain_loop(arch: Architecture, one: TokenBatch, layers: int) -> None:
    """Passes of the plain loop, spread over the layers: forward, then backward to the edited activations."""
    points = product(range(0, layers, 3), (k / (STEPS - 1) for k in range(0, STEPS, 5)))
    for layer, alpha in islice(points, LOOPED):
        plain_point(arch, one, layer, alpha)


def plain_point(arch: Architecture, one: TokenBatch, layer: int, alpha: float) -> None:
    """DP / da of one layer's activations, scaled by alpha.

    Args:
        arch: the model.
        one: one instance.
        layer: whose activations.
        alpha: from 0 to 1.
    """
    edited: list[torch.Tensor] = []

    def edit(number: int, x: torch.Tensor, _routing: object) -> torch.Tensor:
        if number != layer:
            return x
        flat = x.reshape(-1, x.shape[-1])
        edited.append((flat[-1:].detach() * alpha).requires_grad_(True))
        return torch.cat([flat[:-1], edited[0]]).reshape(x.shape)

    with edited_ffn(arch, "post", edit):
        states = arch.body(one.ids, attention_mask=one.mask, use_cache=False).last_hidden_state
        probability = arch.logits(arch.head_input(states[:, -1])).softmax(-1)[0].max()
        torch.autograd.grad(probability, edited)


def ablation_sweep(repeats: int) -> Iterator[Figure]:
    """Suppress and keep at eight sizes each, one pass for all sixteen."""
    arch, batch = architecture(OPT_125M), token_batch(BATCH, TOKENS)
    layers, units = len(arch.layers), arch.units("post")
    chosen = tuple((number % layers, number * 7 % units) for number in range(max(SIZES)))
    edits = [NeuronEdit(mode, chosen[:size]) for mode in ("suppress", "keep") for size in SIZES]
    factors = torch.stack([edit.factors(layers, units) for edit in edits]).expand(BATCH, -1, -1, -1)
    words = f"1 + {len(edits)} / T forward passes"
    yield against(
        "ablation sweep", lambda: edited_logits(arch, batch, "post", factors), lambda: forward(arch, batch), words,
        target=1.5, repeats=repeats, scale=1 + len(edits) / TOKENS,
    )  # fmt: skip
