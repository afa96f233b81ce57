"""Regression, multi-label and one logit against plain loops through each model's own logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.batches import pad
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.signing.signer import Signer
from tests.conftest import SEGMENTS, records, tiny_model, word_tokenizer
from tests.indexer.oracles import last_position

STEPS = 4
KINDS: dict[str, tuple[str, int, list[Any]]] = {
    "one-logit": ("sequence-classification", 1, ["1", "0", 1, None]),
    "regression": ("regression", 1, [0.75, -2, "3.5", 0]),
    "two-numbers": ("regression", 2, [[0.75, 1], [-2.0, 0.5], "[3.5, 0]", [0, 0]]),
    "multi-label": ("multi-label", 3, [["LABEL_1"], [1.0, 0.0, 1.0], '["LABEL_0", "LABEL_2"]', None]),
}


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A saved tiny classifier with some outputs."""
    made: dict[tuple[str, int], Path] = {}

    def save(family: str, outputs: int) -> Path:
        if (family, outputs) not in made:
            path = made[family, outputs] = tmp_path_factory.mktemp(family)
            model = tiny_model(family, "sequence-classification" if outputs == 3 else "multiple-choice", outputs)
            model.save_pretrained(path)
            word_tokenizer().save_pretrained(path)
        return made[family, outputs]

    return save


def signer(path: Path, task: str, **sections: dict[str, Any]) -> Signer:
    config: dict[str, Any] = {
        "model": {"path": str(path), "task": task},
        "corpus": {"files": ["x.jsonl"], "segments": SEGMENTS},
        "neurons": {"steps": STEPS},
        "gradients": {"parameters": "linear", "projection": "none"},
        **sections,
    }
    return Signer.load(parse_config(config, "test", path))


@pytest.fixture(params=[(kind, family) for kind in KINDS for family in ("llama", "bert", "roberta")], ids="-".join)
def made(request: pytest.FixtureRequest, directory: Callable[..., Path]) -> tuple[str, Signer]:
    kind, family = request.param
    task, outputs, _ = KINDS[kind]
    return kind, signer(directory(family, outputs), task)


def rendered(kind: str, made: Signer) -> list[RenderedInstance]:
    labels = KINDS[kind][2]
    return [made.render({**row, "label": label}, "row") for row, label in zip(records(6)[1:5], labels, strict=True)]


def logits(made: Signer, instance: RenderedInstance) -> Tensor:
    one = pad([instance.sequences[0]], 0, torch.device("cpu"))
    return made.arch.model(one.ids, attention_mask=one.mask).logits[0]


def plain_loss(kind: str, z: Tensor, instance: RenderedInstance) -> Tensor:
    """As transformers' own heads have it; of the predicted label where there is none."""
    if kind == "one-logit":
        label = float(z[0] > 0) if instance.label is None else float(instance.label)
        return functional.binary_cross_entropy_with_logits(z, torch.tensor([label]))
    if kind == "multi-label":
        goals = torch.tensor(instance.goals) if instance.goals else (z.detach() > 0).float()
        return functional.binary_cross_entropy_with_logits(z, goals)
    return functional.mse_loss(z, torch.tensor(instance.goals))


def test_losses_and_gradients_equal_autograd_of_each_instance_alone(made: tuple[str, Signer]) -> None:
    kind, each = made
    layers = each.arch.linear_layers()
    for instance, signature in zip(rendered(kind, each), each.sign(rendered(kind, each), neurons=False), strict=True):
        weights = [module.weight.requires_grad_(True) for module in layers.values()]
        loss = plain_loss(kind, logits(each, instance), instance)
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
        for weight in weights:
            weight.requires_grad_(False)
        torch.testing.assert_close(torch.tensor(signature.gradient), flat, rtol=1e-3, atol=1e-5 * float(flat.abs().max()))
        assert signature.loss == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)


def test_a_head_s_gradient_needs_no_backward_pass(made: tuple[str, Signer]) -> None:
    kind, each = made
    head = signer(Path(each.config.model.path), KINDS[kind][0], gradients={"parameters": "head"})
    weight = head.arch.head.weight.requires_grad_(True)
    for instance, signature in zip(rendered(kind, head), head.sign(rendered(kind, head), neurons=False), strict=True):
        (wanted,) = torch.autograd.grad(plain_loss(kind, logits(head, instance), instance), weight)
        np.testing.assert_allclose(signature.gradient, wanted.flatten(), rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
    weight.requires_grad_(False)


def probability(kind: str, z: Tensor, output: int) -> Tensor:
    """P(target) of neuron scores."""
    if kind == "one-logit":
        return (z[0] if output else -z[0]).sigmoid()
    return z[output].sigmoid() if kind == "multi-label" else z[output]


@pytest.mark.parametrize("named", [False, True])
def test_scores_equal_the_plain_loop(made: tuple[str, Signer], named: bool) -> None:
    """`named` asks for the last output; unnamed is the most probable label, or the first number."""
    kind, each = made
    arch, instance = each.arch, rendered(kind, each)[2]
    output = instance.outputs[-1] if named else ""
    found = each.sign([instance], output=output)[0].scores
    assert found is not None
    z = logits(each, instance).detach()
    chosen = int(z[0] > 0) if kind == "one-logit" else int(z.argmax()) if kind == "multi-label" else 0
    chosen = len(instance.outputs) - 1 if named else chosen
    read = len(instance.sequences[0]) - 1 if arch.causal else 0
    for layer in range(each.layers):
        seen: list[Tensor] = []
        with last_position(arch, layer, read, lambda a, seen=seen: seen.append(a) or a):  # type: ignore[misc]
            logits(each, instance)
        total = torch.zeros(each.units)
        for k in range(STEPS):
            point = (seen[-1] * k / (STEPS - 1)).detach().requires_grad_(True)
            with last_position(arch, layer, read, lambda _a, point=point: point):
                total += torch.autograd.grad(probability(kind, logits(each, instance), chosen), point)[0]
        wanted = (seen[-1] * total / STEPS).detach()
        torch.testing.assert_close(torch.tensor(found[layer]), wanted, rtol=1e-3, atol=1e-5 * float(np.abs(found).max()))


def test_results_do_not_depend_on_the_batch(made: tuple[str, Signer]) -> None:
    kind, each = made
    instances = rendered(kind, each)
    for one, other in zip(each.sign(instances), [each.sign([instance])[0] for instance in instances], strict=True):
        for name in ("gradient", "scores", "hidden", "probabilities", "activation"):
            left, right = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4 * np.abs(right).max(), err_msg=name)
        assert one.label == other.label
        if KINDS[kind][0] != "regression":  # whose last digits are rounded
            assert one.said == other.said


def test_predictions_are_what_the_model_says_of_a_text_and_of_an_edited_one(made: tuple[str, Signer]) -> None:
    kind, each = made
    instance = rendered(kind, each)[0]
    z = logits(each, instance).detach()
    wanted = {"one-logit": torch.cat([(-z).sigmoid(), z.sigmoid()]), "multi-label": z.sigmoid()}.get(kind, z)
    signature = each.sign([instance])[0]
    np.testing.assert_allclose(signature.probabilities, wanted, rtol=1e-5, atol=1e-6)
    edited = each.edit([instance], [[NeuronEdit("suppress", ())]])[0]
    np.testing.assert_allclose(edited.probabilities, [wanted.numpy()] * 2, rtol=1e-5, atol=1e-6)
    assert len(edited.said) == 2
    if KINDS[kind][0] != "regression":
        assert edited.said == (signature.said,) * 2
