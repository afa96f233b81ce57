"""Multiple choice and language modelling against slow plain loops through each model's own logits, in every family."""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.batches import pad
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, records

CAUSAL = ["opt", "gpt2", "gpt_neox", "bloom", "llama", "qwen2", "gemma"]
CASES = [("multiple-choice", family) for family in [*CAUSAL, "bert", "roberta"]] + [("causal-lm", family) for family in CAUSAL]
STEPS = 4


def signer(directory: Path, task: str, **sections: dict[str, Any]) -> Signer:
    config: dict[str, Any] = {
        "model": {"path": str(directory), "task": task},
        "corpus": {"files": ["x.jsonl"], **SHOWN[task]},
        "neurons": {"steps": STEPS},
        **sections,
    }
    return Signer.load(parse_config(config, "test", directory))


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def made(request: pytest.FixtureRequest, model_dir: Callable[..., Path]) -> Signer:
    task, family = request.param
    return signer(model_dir(family, task), task, gradients={"parameters": "linear", "projection": "none"})


def rendered(made: Signer) -> list[RenderedInstance]:
    return [made.render(row, "row") for row in records(6)[1:5]]


def position(arch: Architecture, ids: tuple[int, ...]) -> int:
    return len(ids) - 1 if arch.causal else 0


@contextmanager
def edited(arch: Architecture, layer: int, at: int, change: Callable[[Tensor], Tensor]) -> Any:
    """The plain way: replace one layer's FFN activations at one position of one sequence."""

    def hook(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = args[0].clone()
        flat = x.reshape(-1, x.shape[-1])
        return (torch.cat([flat[:at], change(flat[at])[None], flat[at + 1 :]]).reshape(x.shape),)

    handle = arch.ffn_out[layer].register_forward_pre_hook(hook)
    yield
    handle.remove()


def logits(arch: Architecture, ids: tuple[int, ...]) -> Tensor:
    """The model's own logits: of the sequence for a classifier, at the last position for a language model."""
    one = pad([ids], 0, torch.device("cpu"))
    found = arch.model(one.ids, attention_mask=one.mask).logits[0]
    return found[-1] if found.dim() == 2 else found


def prompts(instance: RenderedInstance) -> list[tuple[tuple[int, ...], int]]:
    """A language model's prompts, one a target token, and the token."""
    ids = instance.sequences[0]
    return [(ids[:at], ids[at]) for at in range(len(ids) - len(instance.reads), len(ids))]


def plain_loss(arch: Architecture, instance: RenderedInstance) -> Tensor:
    if instance.reads:
        return torch.stack([-logits(arch, ids).log_softmax(0)[token] for ids, token in prompts(instance)]).mean()
    z = torch.cat([logits(arch, ids) for ids in instance.sequences])
    return -z.log_softmax(0)[instance.label]


def test_gradients_equal_autograd_of_each_instance_alone(made: Signer) -> None:
    layers = made.arch.linear_layers()
    found = made.sign(rendered(made), neurons=False)
    for instance, signature in zip(rendered(made), found, strict=True):
        weights = [module.weight.requires_grad_(True) for module in layers.values()]
        loss = plain_loss(made.arch, instance)
        wanted = torch.autograd.grad(loss, weights)
        flat = torch.cat(
            [(g.T if type(m).__name__ == "Conv1D" else g).flatten() for g, m in zip(wanted, layers.values(), strict=True)]
        )
        for weight in weights:
            weight.requires_grad_(False)
        scale = float(flat.abs().max())
        torch.testing.assert_close(torch.tensor(signature.gradient), flat, rtol=1e-3, atol=1e-5 * scale)
        assert signature.loss == pytest.approx(loss.item(), rel=1e-4)


def plain_probability(arch: Architecture, instance: RenderedInstance, layer: int, change: Callable[[Tensor], Tensor]) -> Tensor:
    """P(target) with one layer edited at the read position; of choices, only the predicted one is edited."""
    if instance.reads:
        parts = []
        for ids, token in prompts(instance):
            with edited(arch, layer, position(arch, ids), change):
                parts.append(logits(arch, ids).softmax(0)[token])
        return torch.stack(parts).mean()
    z = torch.cat([logits(arch, ids) for ids in instance.sequences])
    chosen = int(z.argmax())
    ids = instance.sequences[chosen]
    with edited(arch, layer, position(arch, ids), change):
        own = logits(arch, ids)
    return torch.cat([z[:chosen], own, z[chosen + 1 :]]).softmax(0)[chosen]


def test_scores_equal_the_plain_loop(made: Signer) -> None:
    """Each target position's activations are scored on their own path; a target's scores are their mean."""
    arch, instance = made.arch, rendered(made)[2]
    found = made.sign([instance])[0].scores
    assert found is not None
    for layer in range(made.layers):
        parts = prompts(instance) if instance.reads else [(instance.sequences[0], -1)]
        wanted = torch.zeros(made.units)
        for number, (_, token) in enumerate(parts):
            one = single(instance, number) if instance.reads else instance
            seen: list[Tensor] = []
            plain_probability(arch, one, layer, lambda a, seen=seen: seen.append(a) or a)  # type: ignore[misc]
            total = torch.zeros(made.units)
            for k in range(STEPS):
                point = (seen[-1] * k / (STEPS - 1)).detach().requires_grad_(True)
                p = plain_probability(arch, one, layer, lambda _a, point=point: point)
                total += torch.autograd.grad(p, point)[0]
            wanted += (seen[-1] * total / STEPS).detach() / len(parts)
            assert token != 0
        torch.testing.assert_close(torch.tensor(found[layer]), wanted, rtol=1e-3, atol=1e-5 * float(np.abs(found).max()))


def single(instance: RenderedInstance, number: int) -> RenderedInstance:
    """The instance of one target token."""
    ids, _ = prompts(instance)[number]
    whole = instance.sequences[0][: len(ids) + 1]
    reads, wanted = (len(ids) - 1,), whole[-1:]
    return RenderedInstance(instance.id, (whole,), None, instance.key, False, {}, instance.outputs, reads, wanted)


def test_suppressed_and_kept_neurons_edit_every_sequence_at_its_own_position(made: Signer) -> None:
    arch, instance = made.arch, rendered(made)[1]
    chosen = ((0, 3), (1, 7), (2, 0))
    edits = [NeuronEdit("suppress", chosen), NeuronEdit("keep", chosen)]
    found = made.edit([instance], [edits])[0].probabilities
    for number, edit in enumerate(edits):
        factors = edit.factors(made.layers, made.units)

        def run(ids: tuple[int, ...], factors: Tensor = factors) -> Tensor:
            with ExitStack() as stack:
                for layer in range(made.layers):
                    change = lambda a, f=factors[layer]: a * f  # noqa: E731
                    stack.enter_context(edited(arch, layer, position(arch, ids), change))
                return logits(arch, ids)

        if instance.reads:
            expected = torch.stack([run(ids).softmax(0)[token] for ids, token in prompts(instance)]).mean()[None]
        else:
            expected = torch.cat([run(ids) for ids in instance.sequences]).softmax(0)
        torch.testing.assert_close(torch.tensor(found[1 + number]), expected, rtol=1e-3, atol=1e-6)


def test_results_do_not_depend_on_the_batch(made: Signer) -> None:
    instances = rendered(made)
    together, alone = made.sign(instances), [made.sign([instance])[0] for instance in instances]
    for one, other in zip(together, alone, strict=True):
        for name in ("gradient", "scores", "hidden", "probabilities", "activation"):
            left, right = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4 * np.abs(right).max(), err_msg=name)


def test_choices_may_differ_in_number(model_dir: Callable[..., Path]) -> None:
    made = signer(model_dir("opt", "multiple-choice"), "multiple-choice")
    rows = [{**row, "label": 0, "choices": row["choices"][: 2 + number % 2]} for number, row in enumerate(records(5))]
    instances = [made.render(row, "row") for row in rows]
    together = made.sign(instances)
    assert [len(signature.probabilities) for signature in together] == [2, 3, 2, 3, 2]
    for signature, instance in zip(together, instances, strict=True):
        np.testing.assert_allclose(signature.gradient, made.sign([instance])[0].gradient, rtol=1e-3, atol=1e-6)


def test_every_target_token_can_be_an_instance_of_its_own(project: Callable[..., Path], attridex: Callable[..., Any]) -> None:
    config = project("gpt2", task="causal-lm", corpus={"per_token": True}, gradients={"projection": "none"})
    index = config.parent / "index"
    assert attridex("build", config, "--out", index, "--json").lines[0]["instances"] == sum(
        len(row["answer"].split()) for row in records(12)
    )
    whole = attridex("query", "ia", "--index", index, "--json", "--instance", "t2#1", "--k", 1).lines[0]
    assert whole["hits"][0]["id"] == "t2#1"
    assert whole["hits"][0]["label"] == records(3)[2]["answer"].split()[1]
    predicted = attridex("predict", "--index", index, "--json", "--instance", "t2#1", "--suppress", "na:3").lines[0]
    assert list(predicted["baseline"]) == [records(3)[2]["answer"].split()[1]]


@pytest.mark.parametrize(
    ("task", "section", "values", "said"),
    [
        ("causal-lm", "corpus", {"target": None}, "corpus.target"),
        ("causal-lm", "gradients", {"parameters": "head"}, "gradients.parameters"),
        ("causal-lm", "gradients", {"label": "predicted"}, "gradients.label"),
        ("multiple-choice", "corpus", {"segments": ["Premise : {premise}"]}, "{choice}"),
        ("multiple-choice", "gradients", {"curvature": ["hessian"]}, "gradients.curvature"),
        ("sequence-classification", "corpus", {"target": "{answer}"}, "corpus.target"),
        ("multiple-choice", "corpus", {"choices": "options"}, "options"),
    ],
)
def test_settings_that_mean_nothing_for_a_task_are_one_line(
    task: str, section: str, values: dict[str, Any], said: str, project: Callable[..., Path], attridex: Callable[..., Any]
) -> None:
    config = project(task=task, **{section: values})
    if values == {"target": None}:
        config.write_text(config.read_text().replace("target = null\n", ""))
    ran = attridex("build", config, "--out", config.parent / "index")
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("choices", ["one text", [], ["only one"], ["a", 3], None])
def test_choices_that_are_no_texts_are_named(choices: Any, model_dir: Callable[..., Path]) -> None:
    made = signer(model_dir("opt", "multiple-choice"), "multiple-choice")
    with pytest.raises(Exception, match=r"row: column 'choices' holds .* a list of two or more texts is needed"):
        made.render({**records(1)[0], "choices": choices}, "row")


@pytest.mark.parametrize("task", ["multiple-choice", "causal-lm"])
def test_a_model_is_finetuned_on_its_task(
    task: str, project: Callable[..., Path], attridex: Callable[..., Any], model_dir: Any
) -> None:
    training = {
        "base": str(model_dir("llama", task)),
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 0.01,
        "test_files": ["train.jsonl"],
    }
    config = project("llama", task=task, training=training)
    ran = attridex("finetune", config, "--out", config.parent / "model", "--json")
    assert ran.code == 0, ran.err
    assert ran.lines[0]["accuracy"]["train.jsonl"] >= 0
    config.write_text(config.read_text().replace(str(model_dir("llama", task)), str(config.parent / "model"), 1))
    assert attridex("build", config, "--out", config.parent / "index").code == 0


def test_many_target_tokens_are_edited_in_batches_with_the_same_answer(model_dir: Callable[..., Path]) -> None:
    form: dict[str, Any] = {"files": ["x.jsonl"], "encoded": True}
    data = {"model": {"path": str(model_dir("llama", "causal-lm")), "task": "causal-lm"}, "corpus": form}
    ids = [1, *range(3, 14)]
    found = []
    for tokens in (4096, 24):
        made = Signer.load(parse_config({**data, "engine": {"batch_tokens": tokens}}, "test", Path()))
        edits = [NeuronEdit("suppress", ((1, 3), (2, 7))), NeuronEdit("keep", ((0, 1),))]
        found.append(made.edit([made.render({"input_ids": ids, "labels": ids}, "row")], [edits])[0])
    whole, batched = found
    np.testing.assert_allclose(batched.probabilities, whole.probabilities, rtol=1e-5)
    assert batched.greedy == whole.greedy
