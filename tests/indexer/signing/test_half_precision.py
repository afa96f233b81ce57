"""Models in bfloat16 and float16: what attridex adds to their own rounding, and what is stored, in every task.

Against the model's own autograd in the same dtype the tolerance is a few roundings of the dtype. Against the float32 model
it is wide: rounding the weights of these tiny random models may turn units of the FFN on or off.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.index.vectors import VectorFile
from attridex.indexer.signing.signature import Signature
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, records
from tests.service.conftest import serving

FAMILIES = ["opt", "llama", "bert", "bloom", "gpt2"]
CASES = [
    (family, task)
    for task in ("sequence-classification", "multiple-choice", "causal-lm")
    for family in FAMILIES
    if (family, task) != ("bert", "causal-lm")
]
ROUNDING = {"bfloat16": 2**-8, "float16": 2**-11}
"""Largest relative error of one rounding."""
ARRAYS = ("probabilities", "margins", "hidden", "gradient", "scores", "activation", "attribution")


def signer(directory: Path, task: str, dtype: str, **sections: dict[str, Any]) -> Signer:
    config: dict[str, Any] = {
        "model": {"path": str(directory), "task": task, "dtype": dtype},
        "corpus": {"files": ["x.jsonl"], **SHOWN[task]},
        "gradients": {"parameters": "linear", "projection": "none"},
        "neurons": {"steps": 5},
        **sections,
    }
    return Signer.load(parse_config(config, "test", directory))


def signed(made: Signer) -> tuple[list[RenderedInstance], list[Signature]]:
    instances = [made.render(row, "row") for row in records(9)]
    return instances, made.sign(instances)


@cache
def signed_in_float32(directory: Path, task: str) -> list[Signature]:
    return signed(signer(directory, task, "float32"))[1]


def distance(found: Any, wanted: Any) -> float:
    """Length of the difference over the length of what is wanted."""
    one, other = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def own_gradient(made: Signer, instance: RenderedInstance) -> Tensor:
    """The gradient that the model's own autograd gives in its dtype; softmax and loss in float32."""
    layers = made.arch.linear_layers()
    weights = [module.weight.requires_grad_(True) for module in layers.values()]
    logits = [made.arch.model(torch.tensor([ids])).logits[0].float() for ids in instance.sequences]
    if instance.reads:
        targets = torch.tensor(instance.sequences[0][-len(instance.reads) :])
        loss = torch.nn.functional.cross_entropy(logits[0][-len(instance.reads) - 1 : -1], targets)
    else:
        loss = -torch.cat(logits).log_softmax(0)[instance.label]
    found = torch.autograd.grad(loss, weights)
    for weight in weights:
        weight.requires_grad_(False)
    turned = [(g.T if type(m).__name__ == "Conv1D" else g).flatten() for g, m in zip(found, layers.values(), strict=True)]
    return torch.cat(turned).float()


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("family", "task"), CASES, ids=lambda case: case)
def test_gradients_are_those_of_the_models_own_autograd_in_its_dtype(
    family: str, task: str, dtype: str, model_dir: Callable[..., Path]
) -> None:
    made = signer(model_dir(family, task), task, dtype)
    far = [distance(one.gradient, own_gradient(made, instance)) for instance, one in zip(*signed(made), strict=True)]
    assert np.median(far) < 10 * ROUNDING[dtype]
    assert max(far) < 0.1  # padding changes the rounding, and one unit may turn


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("family", "task"), CASES, ids=lambda case: case)
def test_signatures_are_float32_finite_and_near_those_of_the_float32_model(
    family: str, task: str, dtype: str, model_dir: Callable[..., Path]
) -> None:
    _, found = signed(signer(model_dir(family, task), task, dtype))
    wanted = signed_in_float32(model_dir(family, task), task)
    far: dict[str, list[float]] = {"gradient": [], "scores": [], "hidden": []}
    for one, other in zip(found, wanted, strict=True):
        for name in ARRAYS:
            value = getattr(one, name)
            assert value.dtype == np.float32, name
            assert np.isfinite(value).all(), name
        assert np.abs(one.probabilities - other.probabilities).max() < 8 * ROUNDING[dtype]
        assert abs(one.loss - other.loss) < 32 * ROUNDING[dtype] * max(1.0, other.loss)
        if one.predicted == other.predicted:
            for name in far:
                far[name].append(distance(getattr(one, name), getattr(other, name)))
        else:  # only a near tie may turn
            assert np.diff(np.sort(other.margins)[-2:]) < 32 * ROUNDING[dtype]
    for name, values in far.items():
        assert np.median(values) < 32 * ROUNDING[dtype], name  # a cosine of 0.992 in bfloat16, 0.9999 in float16


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("family", FAMILIES)
def test_results_do_not_depend_on_the_batch(family: str, dtype: str, model_dir: Callable[..., Path]) -> None:
    made = signer(model_dir(family), "sequence-classification", dtype, gradients={"parameters": "linear", "dim": 64})
    instances, together = signed(made)
    for instance, one in zip(instances, together, strict=True):
        (alone,) = made.sign([instance])
        for name in ("gradient", "scores", "hidden", "probabilities"):
            assert distance(getattr(one, name), getattr(alone, name)) < 16 * ROUNDING[dtype], name


@pytest.mark.parametrize("rule", ["riemann", "gauss-legendre", "gradient"])
@pytest.mark.parametrize("site", ["post", "pre", "head"])
def test_scores_of_every_site_and_rule_are_near_the_float32_models(site: str, rule: str, model_dir: Callable[..., Path]) -> None:
    neurons = {"site": site, "rule": rule, "steps": 5}
    found, wanted = (
        signed(signer(model_dir("opt"), "sequence-classification", dtype, neurons=neurons))[1]
        for dtype in ("bfloat16", "float32")
    )
    values = [distance(one.scores, other.scores) for one, other in zip(found, wanted, strict=True)]
    assert np.median(values) < 16 * ROUNDING["bfloat16"]


@pytest.mark.parametrize("task", ["sequence-classification", "multiple-choice", "causal-lm"])
def test_float16_gradients_do_not_vanish_where_the_model_is_sure(task: str, model_dir: Callable[..., Path]) -> None:
    gradients, largest = [], 0.0
    for dtype in ("float16", "float32"):
        made = signer(model_dir("gpt2", task), task, dtype)
        instance = sure(made, made.render(records(9)[4], "row"))
        gradients.append(made.sign([instance], neurons=False)[0])
        weight = made.arch.head.get_parameter("weight")
        largest = float((weight @ torch.from_numpy(gradients[-1].hidden).to(weight.dtype)).abs().max())
    assert gradients[1].loss < 1e-4
    lengths = [float(np.linalg.norm(each.gradient.astype(np.float64))) for each in gradients]
    found, wanted = (each.gradient / length for each, length in zip(gradients, lengths, strict=True))
    assert distance(found, wanted) < 16 * ROUNDING["float16"], "the direction is that of float32, to a few roundings"
    # Its length goes with exp(-margin): the margin is the difference of two logits, each the product of two rounded factors.
    assert abs(np.log(lengths[0] / lengths[1])) < 4 * ROUNDING["float16"] * largest


def sure(made: Signer, instance: RenderedInstance) -> RenderedInstance:
    """The instance with what the model predicts as its target, after making it sure of that: the head is 32 times as large."""
    head = made.arch.head.get_parameter("weight")
    made.arch.head.register_parameter("weight", torch.nn.Parameter(head * 32, requires_grad=False))
    if not instance.reads:
        return replace(instance, label=made.sign([instance], neurons=False)[0].predicted)
    start = instance.sequences[0][:-1]
    logits = made.arch.head(made.arch.body(torch.tensor([start])).last_hidden_state)
    token = int(logits[0, -1].argmax())
    return replace(instance, sequences=((*start, token),), reads=(len(start) - 1,), wanted=(token,))


@pytest.mark.parametrize(
    ("family", "task", "dtype"),
    [("opt", "sequence-classification", "float16"), ("llama", "causal-lm", "float16"), ("bert", "multiple-choice", "bfloat16")],
)
def test_an_index_is_built_and_answers_every_query(
    family: str, task: str, dtype: str, project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    gradients = {"parameters": "linear", "dim": 256, "curvature": ["fisher", "kfac", "ekfac", "trak"]}
    config = project(family, task=task, model={"dtype": dtype}, gradients=gradients, neurons={"steps": 5})
    index, queries = tmp_path / "i", ["--queries", tmp_path / "queries.jsonl"]
    ran = attridex("build", config, "--out", index)
    assert ran.code == 0, ran.err
    vectors = VectorFile(next(index.glob("shards/*/gradients.faiss")))
    assert vectors.codes.dtype == np.float32
    calls: list[list[Any]] = [["ia", *queries, "--method", method] for method in ("grad-dot", "grad-cos", "influence", "trak")]
    calls[2] += ["--curvature", "ekfac"]
    with serving(index) as server:
        where = ("--server", f"127.0.0.1:{server.port}", "--json")
        for call in [*calls, ["na", *queries], ["na-instances", *queries], ["ia-neurons", *queries]]:
            ran = attridex("query", *call, *where)
            assert ran.code == 0, (call, ran.err)
            assert ran.lines
            assert "NaN" not in ran.out
            assert "Infinity" not in ran.out
        ran = attridex("predict", *queries, *where)
        assert ran.code == 0, ran.err
