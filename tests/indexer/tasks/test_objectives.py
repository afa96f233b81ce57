"""Objectives: losses, errors and probabilities against their plain formulas."""

import math

import pytest
import torch

from attridex.indexer.corpus.instances import NO_LABEL, RenderedInstance
from attridex.indexer.tasks.classification import decided, margins_of
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.probes import Probe, Wanted
from attridex.indexer.tasks.registry import OBJECTIVES


def test_margins_are_log_odds_also_where_p_rounds_to_1() -> None:
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.0, 60.0, 0.0]])
    assert logits.softmax(-1)[1, 1] == 1
    for row, found in zip(logits.tolist(), margins_of(logits).tolist(), strict=True):
        wanted = [z - math.log(sum(math.exp(other) for n, other in enumerate(row) if n != at)) for at, z in enumerate(row)]
        assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("states", [1, 3])
def test_a_decision_s_loss_and_errors_are_those_of_cross_entropy(states: int) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 2, NO_LABEL, 1])
    found = decided(logits, labels, torch.randn(4, 5), torch.randn(4, states, 5))
    wanted = labels.clone()
    wanted[2] = logits[2].argmax()
    loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    torch.testing.assert_close(found.loss, loss)
    assert found.labels.tolist() == wanted.tolist()
    assert found.errors is not None
    torch.testing.assert_close(found.errors.reshape(4, 3), torch.autograd.grad(loss.sum(), logits)[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.probabilities, logits.detach().softmax(-1), rtol=1e-5, atol=1e-6)


def wanted(*probes: Probe) -> Wanted:
    return Wanted.of(probes, torch.device("cpu"))


def test_the_probability_that_is_watched_is_that_of_the_task() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    classes = OBJECTIVES["sequence-classification"].watch(logits, wanted(Probe(()), Probe(())))
    tokens = OBJECTIVES["causal-lm"].watch(logits, wanted(Probe((), 4), Probe((), 0)))
    for row in range(2):
        target = int(logits[row, 0].argmax())
        torch.testing.assert_close(classes[row], logits[row].softmax(-1)[:, target])
        torch.testing.assert_close(tokens[row], logits[row].softmax(-1)[:, (4, 0)[row]])
    choices = torch.tensor([0.3, -1.0, 0.8])  # the logits of three choices; the last one is predicted and edited
    edited = torch.tensor([0.8, 0.1])
    found = OBJECTIVES["multiple-choice"].watch(edited[None, :, None], wanted(Probe((), margin=float(margins_of(choices)[2]))))
    expected = [torch.cat([choices[:2], z[None]]).softmax(0)[2] for z in edited]
    torch.testing.assert_close(found[0], torch.stack(expected))


def test_sequences_of_an_instance_follow_each_other_in_a_batch() -> None:
    instances = [
        RenderedInstance("a", ((1, 2), (3,)), 1, "", False, {}),
        RenderedInstance("b", ((4,), (5, 6)), None, "", False, {}),
    ]
    batch = collate(instances, 0, torch.device("cpu"))
    assert batch.tokens.ids.tolist() == [[1, 2], [3, 0], [4, 0], [5, 6]]
    assert (batch.size, batch.labels.tolist()) == (2, [1, NO_LABEL])
    assert collate(instances, 0, torch.device("cpu"), predicted=True).labels.tolist() == [NO_LABEL, NO_LABEL]
