"""The FFN and the attention of a block, found by what follows directly from what.

In the traced pass the output of every linear layer is a leaf, so that gradients reach only what a layer's input is made of
without another linear layer between. An FFN's last layer reads neurons: each follows from one number of its first layer at the
same position (of two layers, or of a layer twice as wide, where the FFN is gated). What reads several positions is the output
projection of an attention. Letters: h size of the states, F neurons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attridex.indexer.structure.calls import SEQUENCES, TOKENS, Call
from attridex.indexer.structure.experts import ExpertWeight, FusedExperts

LinearLayer = nn.Module | ExpertWeight
"""A module with a weight that its inputs are multiplied by, or all experts' at once."""
LARGEST = 64.0
"""What an output may count in a sum at most: a norm of almost nothing is linear, too, and counts it hundreds of times."""


@dataclass(frozen=True)
class Ffn:
    """A block's feed-forward network.

    Attributes:
        first: its first linear layer; of a gated one its gate, or the one layer that is gate and up at once.
        out: its last linear layer, whose inputs are the neurons.
        up: of a gated one the layer beside the gate, where that is a layer of its own.
        gated: whether a neuron is act(gate) * up.
        adds: what its output counts in the block's output, which adds it; None where that is no such sum.
    """

    first: nn.Module
    out: nn.Module
    up: nn.Module | None = None
    gated: bool = False
    adds: float | None = None

    @property
    def layers(self) -> list[nn.Module]:
        """All of its linear layers."""
        return [self.first, *([] if self.up is None else [self.up]), self.out]


@dataclass(frozen=True)
class MixedFfn:
    """A block's experts, and the FFN beside them that every token passes."""

    experts: FusedExperts
    shared: Ffn
    adds: None = None


LayerFfn = Ffn | FusedExperts | MixedFfn
"""What holds a layer's neurons."""


@dataclass(frozen=True)
class BlockParts:
    """What a block consists of, as far as it is found.

    Attributes:
        ffn: its FFN, or its experts; None where it has none, or several.
        attention_out: the output projection of its attention.
    """

    ffn: LayerFfn | None
    attention_out: nn.Module | None


def block_parts(
    block: Call, linear: Sequence[Call], routed: Mapping[nn.Module, FusedExperts], others: Sequence[Call]
) -> BlockParts:
    """The parts of a block, from calls in a traced pass.

    Args:
        block: its call.
        linear: calls of the linear layers.
        routed: fused experts, by their modules.
        others: calls of these.
    """
    inside = [call for call in linear if block.holds(call)]
    mixtures = [replace(routed[call.module], adds=added(call, block)) for call in others if block.holds(call)]
    ffns: list[Ffn] = []
    mixing: list[nn.Module] = []
    for call in inside:
        if call.made.shape[-1] != block.made.shape[-1] or not call.given.requires_grad:
            continue
        sources = [other for other in inside if other.ended <= call.began]
        if mixes(call.given, sources):
            mixing.append(call.module)
        elif found := ffn_of(call, sources, block):
            ffns.append(found)
    return BlockParts(only(mixtures, ffns), mixing[-1] if mixing else None)


def only(mixtures: Sequence[FusedExperts], ffns: Sequence[Ffn]) -> LayerFfn | None:
    """What holds a block's neurons: one FFN, one mixture of experts, or one of each."""
    match list(mixtures), list(ffns):
        case [experts], [shared]:
            return MixedFfn(experts, shared)
        case ([one], []) | ([], [one]):
            return one
    return None


def gradients(value: Tensor, sources: Sequence[Call]) -> list[Tensor]:
    """Gradients of a number in the outputs of linear layers, a row a position."""
    if not sources:
        return []
    found = torch.autograd.grad(value, [source.made for source in sources], retain_graph=True, allow_unused=True)
    return [
        (torch.zeros_like(source.made) if gradient is None else gradient).reshape(-1, source.made.shape[-1])
        for source, gradient in zip(sources, found, strict=True)
    ]


def mixes(given: Tensor, sources: Sequence[Call]) -> bool:
    """Whether a layer's input at the last position follows from linear layers at other positions."""
    rows, at = given.shape[:-1].numel(), real_row(given)
    last = given.reshape(rows, -1)[at]
    weights = torch.linspace(0.5, 1.5, len(last), device=last.device, dtype=last.dtype)
    reached = [found for found in gradients((last * weights).sum(), sources) if found.any()]
    return any(len(found) != rows or found[:at].any() or found[at + 1 :].any() for found in reached)


def real_row(given: Tensor) -> int:
    """Number of the last row that is of a token: texts may be filled up to whole windows."""
    rows = given.shape[:-1].numel()
    filled = given.shape[1] - TOKENS if given.dim() == 3 and given.shape[0] == SEQUENCES else 0
    return rows - 1 - max(filled, 0)


def ffn_of(call: Call, sources: Sequence[Call], block: Call) -> Ffn | None:
    """The FFN whose last layer a call is of, if it is one; its input mixes no positions."""
    at = real_row(call.given)
    last = call.given.reshape(-1, call.given.shape[-1])[at]
    found = gradients(last[last.abs().argmax()], sources)
    reached = [(source, rows[at]) for source, rows in zip(sources, found, strict=True) if at < len(rows)]
    direct = [(source, row) for source, row in reached if row.any()]
    ratios = [row.numel() / len(last) for _, row in direct]
    if any(int(row.count_nonzero()) > ratio for (_, row), ratio in zip(direct, ratios, strict=True)):
        return None
    modules = [source.module for source, _ in direct]
    if ratios not in ([1], [2], [1, 1]):
        return None
    return Ffn(modules[0], call.module, modules[1] if len(modules) == 2 else None, ratios != [1], added(call, block))


def added(call: Call, block: Call) -> float | None:
    """What a layer's output counts in its block's output, where that adds it; see `Ffn.adds`."""
    weights = torch.linspace(-1.0, 2.0, block.made.numel(), device=block.made.device).reshape(block.made.shape)
    weights = weights.to(block.made.dtype)
    value = (block.made * weights).sum()
    (found,) = torch.autograd.grad(value, [call.made], retain_graph=True, allow_unused=True)
    if found is None or found.numel() != weights.numel():
        return None
    found, wanted = found.reshape(weights.shape).float(), weights.float()
    factor = float((found * wanted).sum() / wanted.square().sum())
    sum_of_both = abs(factor) <= LARGEST and torch.allclose(found, factor * wanted, rtol=1e-2, atol=1e-3)
    return factor if sum_of_both else None


def one_width(parts: Sequence[BlockParts]) -> list[LayerFfn]:
    """What holds the neurons of all layers where each has one, alike in kind and width; else nothing.

    FFNs, mixtures of experts and FFNs beside experts are kinds of their own.
    """
    ffns = [part.ffn for part in parts if part.ffn is not None]
    kinds = {(type(ffn), kind_of(experts_of(ffn)), kind_of(shared_of(ffn))) for ffn in ffns}
    mixtures = {experts for _, experts, _ in kinds if experts}
    alike = len(kinds) == len({kind for kind, *_ in kinds}) and len(mixtures) <= 1
    return ffns if alike and ffns and len(ffns) == len(parts) else []


def kind_of(part: Ffn | FusedExperts | None) -> tuple[int, ...]:
    """What must be alike in all layers."""
    if part is None:
        return ()
    return (part.count, part.units) if isinstance(part, FusedExperts) else (linear_shape(part.out)[1], part.gated)


def experts_of(ffn: LayerFfn) -> FusedExperts | None:
    """The experts of a layer."""
    return ffn.experts if isinstance(ffn, MixedFfn) else ffn if isinstance(ffn, FusedExperts) else None


def shared_of(ffn: LayerFfn) -> Ffn | None:
    """The FFN of a layer that every token passes."""
    return ffn.shared if isinstance(ffn, MixedFfn) else ffn if isinstance(ffn, Ffn) else None


def linear_shape(module: LinearLayer) -> tuple[int, int]:
    """(outputs, inputs) of a linear layer; GPT-2's Conv1D keeps its weight transposed."""
    if isinstance(module, ExpertWeight):
        return module.shape
    rows, columns = module.get_parameter("weight").shape
    return (columns, rows) if isinstance(module, Conv1D) else (rows, columns)
