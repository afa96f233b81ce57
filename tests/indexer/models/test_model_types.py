"""Every model type and task against the plain transformers call: predictions, gradients, neurons, and no batch in an answer."""

import pytest
import torch
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import NO_FFN
from attridex.indexer.neurons.quadrature import quadrature
from attridex.indexer.neurons.scores import score_neurons
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.probes import pad_probes
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.mixtures import routed_scores
from tests.indexer.models import model_page
from tests.indexer.models.plain_models import (
    CASES,
    REFUSED,
    found,
    instances,
    made,
    plain_gradient,
    plain_loss,
    plain_probability,
    plain_scores,
)

CPU = torch.device("cpu")
RULE = quadrature("riemann", 4)
WITHOUT_NEURONS = {"modernbert (mean)": "reads all positions together"} | dict.fromkeys(
    ["mamba", "mamba2", "falcon_mamba", "ibert"], NO_FFN
)


def close(value: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance * max(1e-2, float(expected.abs().max())))


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_a_model_that_cannot_be_read_is_refused_in_one_line(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        made(name, "sequence-classification")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_losses_and_gradients_are_those_of_each_text_alone(name: str, task: str) -> None:
    arch, rows = found(name, task), instances(task)
    settings = GradientsConfig(parameters="linear", projection="none")
    taken = make_gradients(arch, OBJECTIVES[task], settings).take(collate(rows, 0, CPU))  # type: ignore[index]
    for number, row in enumerate(rows):
        close(taken.reading.loss[number].detach(), plain_loss(arch.model, row).detach(), 1e-5)
        close(taken.gradients[number], plain_gradient(arch, row), 1e-4)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_neuron_scores_are_those_of_one_edit_at_a_time(name: str, task: str) -> None:
    arch, rows, objective = found(name, task), instances(task), OBJECTIVES[task]  # type: ignore[index]
    if name in WITHOUT_NEURONS:
        with pytest.raises(InputError, match=WITHOUT_NEURONS[name]):
            arch.check_site("post")
        return
    arch.check_site("post")
    batch = collate(rows, 0, CPU)
    reading = objective.read(arch, arch.final_states(batch.tokens), batch)
    told = zip(rows, reading.predicted.tolist(), reading.margins, strict=True)
    asked = [(row, probe) for row, best, margins in told for probe in objective.probes(row, best, float(margins[best]))]
    probes = [probe for _, probe in asked]
    tokens, wanted = pad_probes(probes, 0, CPU)
    scores = score_neurons(arch, tokens, "post", RULE, lambda logits: objective.watch(logits, wanted)).scores
    for own, (row, probe) in zip(scores, asked, strict=True):
        read = 0 if arch.structure.reads == "first" else len(probe.sequence) - 1
        probability = plain_probability(arch.model, row, probe)
        plain = (
            routed_scores(arch, name, read, RULE, probability) if arch.experts else plain_scores(arch, read, RULE, probability)
        )
        close(own, plain, 1e-4)


def test_the_page_of_models_says_what_is_found() -> None:
    assert model_page.table() in model_page.PAGE.read_text(), "python -m tests.indexer.models.model_page makes it anew"
