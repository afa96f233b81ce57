"""Neuron scores that are replayed in room for their shape are those of plain passes."""

import pytest
import torch

from attridex.indexer.neurons.quadrature import GRADIENT, quadrature
from attridex.indexer.neurons.scores import NeuronPass
from attridex.indexer.replaying.replays import Replays
from attridex.indexer.signing.neuron_passes import NeuronPasses, TokenPasses
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.objective import Objective
from attridex.indexer.tasks.probes import Probe, pad_probes
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.models.plain_models import CASES, found, instances
from tests.indexer.replaying.recorder import again

CPU = torch.device("cpu")
NAMES = ("bert", "gpt2", "llama", "opt", "mixtral", "bloom", "t5")
"""An encoder, rows that ride as those of one step, routed ones, an attention of its own, and two sides."""
RULES = {"gradient": GRADIENT, "riemann": quadrature("riemann", 4)}


def probes(objective: Objective, task: str) -> list[Probe]:
    return [probe for row in instances(task) for probe in objective.probes(row, 0, 0.5)]


def same(one: NeuronPass, other: NeuronPass) -> None:
    for column, wanted in ((one.scores, other.scores), (one.activations, other.activations)):
        torch.testing.assert_close(column, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("name", "task"), [case for case in CASES if case[0] in NAMES])
def test_replayed_scores_are_those_of_plain_passes(name: str, task: str, rule: str) -> None:
    objective = OBJECTIVES[task]  # type: ignore[index]
    passes = NeuronPasses(found(name, task), "post", RULES[rule], objective.watch)
    made, rows = Replays(passes, again), probes(objective, task)
    for part in (rows, rows[:-1], rows[::-1], rows[1:], rows[:1], rows):
        batch = pad_probes(part, 0, CPU)
        for _ in range(3):
            same(made.take(batch), passes.take(batch))
    bound = {"mixtral": "tokens are routed to experts", "t5": "the answer is read where a token stands"}.get(name, "")
    assert made.refused == ("" if task == "seq2seq-lm" else bound)
    assert (made.replays > 0) == (not bound and task != "seq2seq-lm")  # whose two sides are passed plainly


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt"])
def test_replayed_scores_of_all_tokens_are_those_of_plain_passes(name: str) -> None:
    passes = TokenPasses(found(name, "causal-lm"), "post", OBJECTIVES["causal-lm"].watch)
    made, rows = Replays(passes, again), instances("causal-lm")
    for part in (rows, rows[:1], rows[::-1], rows):
        batch = collate(part, 0, CPU)
        for _ in range(3):
            same(made.take(batch), passes.take(batch))
    assert made.refused == ""
    assert made.replays > 0
