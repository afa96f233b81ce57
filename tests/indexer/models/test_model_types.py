"""Every model type and task against the plain transformers call: predictions, gradients, neurons, and no batch in an answer."""

from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.neurons.quadrature import quadrature
from attridex.indexer.neurons.scores import score_neurons
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.objective import pad_probes
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.models.model_types import MODELS

CPU = torch.device("cpu")
STEPS = 4
CLASSES = {"sequence-classification": hf.AutoModelForSequenceClassification, "causal-lm": hf.AutoModelForCausalLM}
SEQUENCES = [(1, *range(5, 5 + length)) for length in (9, 6)]
BY_PADDING = ("convbert", "mobilebert", "nystromformer")
"""Models of transformers whose states depend on the padding of their batch."""
REFUSED = {"modernbert (mean)": "reads all positions together"}


def has_task(name: str, task: str) -> bool:
    config = MODELS[name]()
    known = type(config) in CLASSES[task]._model_mapping
    return (
        known
        and (task != "causal-lm" or type(config) not in hf.AutoModelForMaskedLM._model_mapping)
        and (name, task)
        != (
            "xlnet",
            "causal-lm",
        )
    )


CASES = [(name, task) for name in MODELS for task in CLASSES if has_task(name, task) and name not in BY_PADDING]


def made(name: str, task: str) -> Any:
    torch.manual_seed(0)
    config = MODELS[name]()
    config.initializer_range = config.init_std = 0.2
    return CLASSES[task].from_config(config).eval().requires_grad_(False)


def instances(task: str) -> list[RenderedInstance]:
    """Two texts; a language model's last two tokens have a loss."""
    found = []
    for number, ids in enumerate(SEQUENCES):
        lost = {"reads": (len(ids) - 3, len(ids) - 2), "wanted": ids[-2:]} if task == "causal-lm" else {}
        label = None if task == "causal-lm" else number
        found.append(RenderedInstance(str(number), (ids,), label, str(number), False, {}, **lost))
    return found


def plain_loss(model: Any, instance: RenderedInstance) -> Tensor:
    """The loss of a text alone, by the model's own call."""
    ids = torch.tensor([instance.sequences[0]])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    if instance.reads:
        return torch.nn.functional.cross_entropy(logits[0, list(instance.reads)].float(), torch.tensor(instance.wanted))
    return torch.nn.functional.cross_entropy(logits.float(), torch.tensor([instance.label]))


def plain_gradient(model: Any, instance: RenderedInstance, layers: dict[str, Any]) -> Tensor:
    """Its gradient by autograd in the weights themselves."""
    weights = [module.weight.requires_grad_(True) for module in layers.values()]
    found = torch.autograd.grad(plain_loss(model, instance), weights, allow_unused=True)
    for weight in weights:
        weight.requires_grad_(False)
    both = zip(found, layers.values(), weights, strict=True)
    parts = [torch.zeros_like(w) if g is None else g.T if type(m).__name__ == "Conv1D" else g for g, m, w in both]
    return torch.cat([part.flatten() for part in parts])


def close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * max(1e-2, float(expected.abs().max())))


@pytest.mark.parametrize("name", BY_PADDING)
def test_a_model_whose_answers_depend_on_padding_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="depends on the padding of its batch"):
        Architecture(made(name, "sequence-classification"))


@pytest.mark.parametrize(("name", "task"), CASES)
def test_losses_and_gradients_are_those_of_each_text_alone(name: str, task: str) -> None:
    model = made(name, task)
    arch, rows = Architecture(model), instances(task)
    settings = GradientsConfig(parameters="linear", projection="none")
    taken = make_gradients(arch, OBJECTIVES[task], settings).take(collate(rows, 0, CPU))  # type: ignore[index]
    for number, row in enumerate(rows):
        close(taken.reading.loss[number].detach(), plain_loss(model, row).detach(), 1e-5)
        close(taken.gradients[number], plain_gradient(model, row, arch.linear_layers()), 1e-4)


def test_the_page_of_models_says_what_is_found() -> None:
    from tests.indexer.models import model_page  # which imports this module

    assert model_page.table() in model_page.PAGE.read_text(), "python -m tests.indexer.models.model_page makes it anew"


def plain_scores(arch: Architecture, model: Any, probe: Any, task: str) -> Tensor:
    """Integrated gradients, one layer, one point and one whole pass at a time, through the model's own logits."""
    ids = torch.tensor([probe.sequence])
    read = 0 if arch.structure.reads == "first" else len(probe.sequence) - 1

    def probability(layer: int, change: Any) -> Tensor:
        calls = [0]

        def hook(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            own = [at for at, module in enumerate(arch.ffn_out) if module is arch.ffn_out[layer]]
            calls[0] += 1
            if own[calls[0] - 1] != layer:
                return args
            flat = args[0].reshape(-1, args[0].shape[-1])
            return (torch.cat([flat[:read], change(flat[read])[None], flat[read + 1 :]]).reshape(args[0].shape),)

        handle = arch.ffn_out[layer].register_forward_pre_hook(hook)
        try:
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        finally:
            handle.remove()
        return logits[0, -1].softmax(-1)[probe.token] if task == "causal-lm" else logits[0].softmax(-1)[target]

    target = (
        int(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.flatten().argmax()) if task != "causal-lm" else 0
    )
    scores = []
    for layer in range(len(arch.layers)):
        seen: list[Tensor] = []
        probability(layer, lambda a, seen=seen: seen.append(a) or a)
        total = torch.zeros_like(seen[0])
        for k in range(STEPS):
            point = (seen[0] * k / (STEPS - 1)).detach().requires_grad_(True)
            total += torch.autograd.grad(probability(layer, lambda _a, point=point: point), point)[0]
        scores.append(seen[0] * total / STEPS)
    return torch.stack(scores).detach()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_neuron_scores_are_those_of_one_edit_at_a_time(name: str, task: str) -> None:
    model = made(name, task)
    arch, objective = Architecture(model), OBJECTIVES[task]  # type: ignore[index]
    if name in REFUSED:
        with pytest.raises(InputError, match=REFUSED[name]):
            arch.check_site("post")
        return
    arch.check_site("post")
    probes = [probe for row in instances(task) for probe in objective.edited(row)]
    batch = pad_probes(probes, 0, CPU)
    found = score_neurons(arch, batch, "post", quadrature("riemann", STEPS), lambda logits: objective.watch(logits, probes))
    close(found.scores, torch.stack([plain_scores(arch, model, probe, task) for probe in probes]), 1e-4)
