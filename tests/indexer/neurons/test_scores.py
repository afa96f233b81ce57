"""Neuron scores and edits of every family against slow plain loops through the model's own logits."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from attridex.indexer.models.architectures import Architecture
from attridex.indexer.neurons.quadrature import GRADIENT, Quadrature, quadrature
from attridex.indexer.neurons.rows import packs
from attridex.indexer.neurons.scores import dcns_weights, edited_logits, in_layers, kept_neurons, unit_pass
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.tasks.probes import Probe, Wanted
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.oracles import FAMILIES, GATED, RIEMANN, SITES, STEPS, batch, last_position, load, scored, sequences


def plain_scores(arch: Architecture, ids: list[int]) -> Tensor:
    """Integrated gradients, one layer, one point and one whole forward at a time, through the model's own logits."""
    one = batch([ids])
    read = len(ids) - 1 if arch.causal else 0
    target = int(arch.model(one.ids, attention_mask=one.mask).logits.argmax())
    rows = []
    for layer in range(len(arch.layers)):
        seen: list[Tensor] = []
        with last_position(arch, layer, read, lambda a, seen=seen: seen.append(a) or a):  # type: ignore[misc]
            arch.model(one.ids, attention_mask=one.mask)
        total = torch.zeros_like(seen[0])
        for k in range(STEPS):
            point = (seen[0] * k / (STEPS - 1)).detach().requires_grad_(True)
            with last_position(arch, layer, read, lambda _a, point=point: point):
                p = arch.model(one.ids, attention_mask=one.mask).logits.softmax(-1)[0, target]
            total += torch.autograd.grad(p, point)[0]
        rows.append(seen[0] * total / STEPS)
    return torch.stack(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_scores_equal_the_plain_loop(family: str, model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir(family))
    found = scored(arch, batch(sequences())).scores
    expected = torch.stack([plain_scores(arch, ids) for ids in sequences()])
    assert packs(arch, batch(sequences())) == (family not in ("bert", "roberta", "qwen2-window"))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def plain_head_scores(arch: Architecture, ids: list[int], rule: Quadrature) -> Tensor:
    """Attention heads the same way: their outputs are what the attention's output projection reads."""
    one = batch([ids])
    read = len(ids) - 1 if arch.causal else 0
    target = int(arch.model(one.ids, attention_mask=one.mask).logits.argmax())
    rows = []
    for module in arch.attention_out:
        seen: list[Tensor] = []

        def hook(_module: Any, args: tuple[Tensor, ...], change: Any) -> tuple[Tensor, ...]:
            flat = args[0].clone().reshape(-1, args[0].shape[-1])
            return (torch.cat([flat[:read], change(flat[read])[None], flat[read + 1 :]]).reshape(args[0].shape),)

        def run(change: Any, module: Any = module, hook: Any = hook) -> Tensor:
            handle = module.register_forward_pre_hook(lambda m, args: hook(m, args, change))
            p = arch.model(one.ids, attention_mask=one.mask).logits.softmax(-1)[0, target]
            handle.remove()
            return p

        run(lambda a, seen=seen: seen.append(a) or a)
        total = torch.zeros_like(seen[0])
        for alpha, weight in zip(rule.points, rule.weights, strict=True):
            point = (seen[0] * alpha).detach().requires_grad_(True)
            total += weight * torch.autograd.grad(run(lambda _a, point=point: point), point)[0]
        rows.append((seen[0] * total).reshape(arch.heads, -1).sum(1))
    return torch.stack(rows)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rule", [RIEMANN, quadrature("gauss-legendre", 3)], ids=["riemann", "gauss-legendre"])
def test_attention_heads_equal_the_plain_loop(family: str, rule: Quadrature, model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir(family))
    found = scored(arch, batch(sequences()), "head", rule).scores
    expected = torch.stack([plain_head_scores(arch, ids, rule) for ids in sequences()]).detach()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("family", FAMILIES)
def test_gauss_legendre_at_8_points_is_nearer_the_integral_than_the_papers_rule(
    family: str, model_dir: Callable[[str], Path]
) -> None:
    arch = load(model_dir(family))
    rows = batch(sequences())

    def error(rule: Any, steps: int) -> float:
        return float((scored(arch, rows, "post", quadrature(rule, steps)).scores - integral).abs().mean())

    integral = scored(arch, rows, "post", quadrature("riemann", 200)).scores  # 25 times nearer than 8 points
    assert error("gauss-legendre", 8) < error("riemann", 8)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_point_at_the_activations_is_activation_times_gradient(family: str, model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir(family))
    found = scored(arch, batch(sequences()[:1]), "post", quadrature("gradient", 1)).scores[0]
    one = batch(sequences()[:1])
    read = len(sequences()[0]) - 1 if arch.causal else 0
    target = int(arch.model(one.ids, attention_mask=one.mask).logits.argmax())
    for layer in range(len(arch.layers)):
        seen: list[Tensor] = []

        def leaf(a: Tensor, seen: list[Tensor] = seen) -> Tensor:
            seen.append(a.detach().requires_grad_(True))
            return seen[0]

        with last_position(arch, layer, read, leaf):
            p = arch.model(one.ids, attention_mask=one.mask).logits.softmax(-1)[0, target]
        expected = (seen[0] * torch.autograd.grad(p, seen[0])[0]).detach()
        torch.testing.assert_close(found[layer], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize(("family", "site"), SITES)
def test_activation_times_gradient_takes_one_pass_and_equals_edited_copies_at_every_site(
    family: str, site: Any, model_dir: Callable[[str], Path]
) -> None:
    arch, rows = load(model_dir(family)), batch(sequences())
    wanted = Wanted.of([Probe(()) for _ in rows.ids], rows.ids.device)
    packed, tokens = packs(arch, rows), list[int]()
    scored(arch, rows, site, GRADIENT)  # the first one tries which way of running copies agrees
    handle = arch.attention_out[-1].register_forward_pre_hook(lambda _module, args: tokens.append(args[0].shape[:-1].numel()))
    found = scored(arch, rows, site, GRADIENT)
    handle.remove()
    size, width = rows.ids.shape
    assert tokens == ([size * (width - 1), size] if packed else [size * width])
    copies = in_layers(
        arch, rows, site, GRADIENT, range(len(arch.layers)), lambda z: OBJECTIVES["sequence-classification"].watch(z, wanted)
    )
    expected = unit_pass(arch, site, copies)
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-4, atol=1e-6 * float(expected.scores.abs().max()))
    largest = float(expected.activations.abs().max())
    torch.testing.assert_close(found.activations, expected.activations, rtol=1e-4, atol=1e-6 * largest)


@pytest.mark.parametrize(
    ("family", "site"),
    [(family, site) for family in FAMILIES for site in ("post", "head")]
    + [(family, "pre") for family in FAMILIES if family not in GATED],
)
def test_an_edit_that_changes_nothing_changes_nothing_and_leaves_no_hook(
    family: str, site: str, model_dir: Callable[[str], Path]
) -> None:
    arch = load(model_dir(family))
    rows = batch(sequences())
    nothing = torch.ones(3, 2, len(arch.layers), arch.units(site))
    found = edited_logits(arch, rows, site, nothing).softmax(-1)  # type: ignore[arg-type]
    expected = arch.model(rows.ids, attention_mask=rows.mask).logits.softmax(-1)
    torch.testing.assert_close(found, expected[:, None].expand_as(found), rtol=1e-5, atol=1e-6)
    scored(arch, rows, site)
    assert not [m for m in arch.model.modules() if m._forward_hooks or m._forward_pre_hooks]


@pytest.mark.parametrize("family", ["opt", "llama", "bert"])
def test_scores_do_not_depend_on_what_was_scored_before(family: str, model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir(family))
    rows = [batch([ids]) for ids in sequences()]
    first = [scored(arch, row).scores for row in rows]
    again = [scored(arch, row).scores for row in reversed(rows)][::-1]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("family", FAMILIES)
def test_suppressed_and_kept_neurons_equal_one_edit_at_a_time(family: str, model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir(family))
    layers = len(arch.layers)
    chosen = ((0, 3), (1, 7), (2, 0))
    edits = [NeuronEdit("suppress", chosen), NeuronEdit("keep", chosen)]
    factors = torch.stack([edit.factors(layers, arch.units("post")) for edit in edits])
    found = edited_logits(arch, batch(sequences()), "post", factors[None].expand(3, -1, -1, -1)).softmax(-1)
    for row, ids in enumerate(sequences()):
        one = batch([ids])
        read = len(ids) - 1 if arch.causal else 0
        for number in range(2):
            with ExitStack() as stack:
                for layer in range(layers):
                    factor = factors[number, layer]
                    stack.enter_context(last_position(arch, layer, read, lambda a, factor=factor: a * factor))  # type: ignore[misc]
                expected = arch.model(one.ids, attention_mask=one.mask).logits.softmax(-1)[0]
            torch.testing.assert_close(found[row, 1 + number], expected, rtol=1e-4, atol=1e-6)


def test_one_kept_neuron_or_equal_scores_have_weight_zero_not_nan() -> None:
    assert dcns_weights([0.5]).tolist() == [0.0]
    assert dcns_weights([0.5, 0.5, 0.5]).tolist() == [0.0, 0.0, 0.0]


def test_kept_neurons_come_in_descending_score_with_ties_by_neuron() -> None:
    scores = np.array([[0.5, 1.0, 0.05], [0.5, -3.0, 0.11]], np.float32)
    assert kept_neurons(scores, 0.1).tolist() == [1, 0, 3, 5]
