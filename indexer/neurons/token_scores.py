"""Activation times gradient at many positions of a language model, from one forward and one backward pass.

A target token's neurons are scored at the position before it, what stands before held as it was. So with attention whose
gradients stay at their own position (`own_attention`), the gradient of all targets' probabilities together has at each position
that of its own target. Letters: B sequences, T tokens, N target tokens, L layers, F units, V vocabulary.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attridex.indexer.models.architectures import Architecture, Site
from attridex.indexer.models.batches import TokenBatch, pad
from attridex.indexer.models.hooks import edited_ffn
from attridex.indexer.neurons.own_attention import NAME
from attridex.indexer.neurons.quadrature import GRADIENT
from attridex.indexer.neurons.row_attention import attending, fits
from attridex.indexer.neurons.scores import NeuronPass, score_neurons, unit_pass

Target = Callable[[Float[Tensor, "N 1 V"]], Float[Tensor, "N 1"]]
"""P(target token) of the logits at each position that decides one."""
PROOF = (5, 3, 7, 2, 6, 4)
"""Token ids on which a model is tried."""
CLOSE = 0.5
"""Largest difference of the trial's numbers, seen from the largest: this power of what the model's numbers are exact to."""
ROUNDINGS = 16
"""Beside it, so many times what another rounding changes."""


def score_tokens(
    arch: Architecture, batch: TokenBatch, site: Site, owner: Int[Tensor, " N"], at: Int[Tensor, " N"], watch: Target
) -> NeuronPass:
    """Scores of the neurons at each position that decides a token; see `scores.score_neurons` with the rule "gradient".

    Args:
        arch: a causal model whose attention can be replaced.
        batch: B sequences.
        site: where a neuron is read.
        owner: sequence of each target token.
        at: position that decides it.
        watch: gives P(target).

    Returns:
        Scores and activations [N, L, F].
    """
    seen: list[Tensor] = []

    def see(_layer: int, x: Tensor, _routing: object) -> Tensor:
        seen.append(x if seen else x.detach().requires_grad_(True))
        return seen[-1]

    with torch.enable_grad(), attending(arch, NAME), edited_ffn(arch, site, see):
        states = arch.final_states(batch)
        logits = arch.logits(arch.head_input(states[owner, at]))
        gradients = torch.autograd.grad(watch(logits[:, None]).sum(), seen)
    shape = (*batch.ids.shape, -1)
    taken = [x.detach().reshape(shape)[owner, at] for x in seen]
    slopes = [gradient.reshape(shape)[owner, at] for gradient in gradients]
    activations = torch.stack(taken, 1)
    return unit_pass(arch, site, NeuronPass(activations * torch.stack(slopes, 1), activations))


def scores_together(arch: Architecture, site: Site) -> bool:
    """Whether a model's tokens may be scored together: a trial gives what scoring them one by one gives."""
    if not arch.causal or not fits(arch) or arch.structure.experts:  # whose units stand at other places in each position
        return False
    device = next(arch.model.parameters()).device
    at = torch.arange(1, len(PROOF), device=device)
    together = score_tokens(arch, pad([PROOF], 0, device), site, torch.zeros_like(at), at, highest)
    alone = stacked([score_neurons(arch, pad([text], 0, device), site, GRADIENT, highest) for text in prefixes()])
    padded = score_neurons(arch, pad(prefixes(), 0, device), site, GRADIENT, highest)
    most = torch.finfo(arch.head.get_parameter("weight").dtype).eps ** CLOSE
    return near(together.scores, alone.scores, padded.scores, most) and near(
        together.activations, alone.activations, padded.activations, most
    )


def prefixes() -> list[tuple[int, ...]]:
    """The trial's texts: all but the first of what it begins with."""
    return [PROOF[: place + 1] for place in range(1, len(PROOF))]


def stacked(passes: Sequence[NeuronPass]) -> NeuronPass:
    """One pass of several."""
    return NeuronPass(torch.cat([each.scores for each in passes]), torch.cat([each.activations for each in passes]))


def highest(logits: Float[Tensor, "N 1 V"]) -> Float[Tensor, "N 1"]:
    """Probability of the most probable token."""
    return logits.float().softmax(-1).amax(-1)


def near(together: Float[Tensor, "N L F"], alone: Float[Tensor, "N L F"], padded: Float[Tensor, "N L F"], most: float) -> bool:
    """Whether two ways give the same numbers.

    Args:
        together: by one way.
        alone: by the other.
        padded: the other's, rounded differently: a model may make much of a rounding where a text means nothing to it.
        most: difference that is let pass, seen from the largest number.
    """
    rounding = (padded - alone).abs().max()
    return bool((together - alone).abs().max() <= most * alone.abs().max() + ROUNDINGS * rounding)
