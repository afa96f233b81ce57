"""Functions that are compiled where a pass is recorded give what they give as they stand."""

import inspect
from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from attridex.indexer.config import GradientsConfig
from attridex.indexer.gradients.replayed import Replayed
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.neurons import row_attention
from attridex.indexer.neurons.quadrature import quadrature
from attridex.indexer.neurons.row_attention import attended
from attridex.indexer.replaying import fusing
from attridex.indexer.replaying.fusing import Fused
from attridex.indexer.replaying.replays import Replays
from attridex.indexer.signing.neuron_passes import NeuronPasses
from attridex.indexer.structure.logits import PLAIN, LogitRule
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.probes import pad_probes
from attridex.indexer.tasks.registry import OBJECTIVES
from attridex.indexer.tasks.token_loss import stretch_losses
from tests.indexer.models.plain_models import found, instances
from tests.indexer.replaying.recorder import again

T = TypeVar("T")
CPU = torch.device("cpu")
ATTEND, LOSSES = inspect.unwrap(attended), inspect.unwrap(stretch_losses)
"""The functions as they stand, without the types' checks that tests add, which no compiler takes."""


def compiling(work: Callable[[], T]) -> tuple[Callable[[], None], T]:
    """A recorder for a CPU whose recordings are of compiled functions, as a GPU's are."""

    def compiled() -> T:
        with fusing.fusing():
            return work()

    return again(compiled)


@pytest.fixture
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What compiles, without making code of it unless the test says so; what was compiled before is forgotten."""
    monkeypatch.setattr(fusing, "BACKEND", getattr(request, "param", "aot_eager"))
    torch.compiler.reset()
    for function in (row_attention.capped, row_attention.weights_of):
        monkeypatch.setattr(row_attention, function.__name__, inspect.unwrap(function))
    for function, plain in ((attended, ATTEND), (stretch_losses, LOSSES)):
        monkeypatch.setattr(function, "_plain", plain)
        monkeypatch.setattr(function, "_compiled", None)
        monkeypatch.setattr(function, "refused", "")


@pytest.mark.parametrize(
    ("backend", "rule", "dtype"),
    [
        ("inductor", PLAIN, torch.float32),
        ("aot_eager", LogitRule(0.5, 3.0), torch.float32),
        ("aot_eager", PLAIN, torch.float16),
    ],
    indirect=["backend"],
)
@pytest.mark.usefixtures("backend")
def test_losses_are_the_same(rule: LogitRule, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(11, 6, dtype=dtype), torch.randn(11, dtype=dtype)
    for rows in (7, 4, 1):
        hidden, tokens = torch.randn(rows, 6, dtype=dtype), torch.randint(11, (rows,))
        with fusing.fusing():
            made = stretch_losses(hidden, weight, bias, tokens, rule, differentiable=True)
        plain = LOSSES(hidden, weight, bias, tokens, rule, differentiable=True)
        assert made.greedy.equal(plain.greedy)
        for one, other in zip(made, plain, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5 if dtype == torch.float32 else 2e-2, atol=1e-5)
    assert stretch_losses.refused == ""


@pytest.mark.usefixtures("backend")
def test_rows_attend_to_the_same() -> None:
    torch.manual_seed(0)

    def taken(attend: Callable[..., Tensor], rows: int) -> tuple[Tensor, ...]:
        torch.manual_seed(rows)
        query = torch.randn(2, 4, rows, 6, requires_grad=True)
        key, value = (torch.randn(2, 2, 5 + rows, 6, requires_grad=True) for _ in range(2))
        out = attend(query, key, value, torch.arange(5)[None] < torch.tensor([[5], [2]]), None, 2.0, torch.randn(4))
        return out, *torch.autograd.grad(out, (query, key, value), torch.randn_like(out))

    for rows in (3, 8):
        with fusing.fusing():
            made = taken(attended, rows)
        for one, other in zip(made, taken(ATTEND, rows), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert attended.refused == ""


@pytest.mark.usefixtures("backend")
def test_passes_are_the_same() -> None:
    objective = OBJECTIVES["causal-lm"]
    gradients = make_gradients(found("gpt2", "causal-lm"), objective, GradientsConfig(parameters="linear", projection="none"))
    rows = instances("causal-lm")
    made, batch = Replayed(gradients, compiling), collate(rows, 0, CPU)
    passes = NeuronPasses(found("opt", "causal-lm"), "post", quadrature("riemann", 2), objective.watch)
    scores = Replays(passes, compiling)
    probes = pad_probes([probe for row in rows for probe in objective.probes(row, 0, 0.5)], 0, CPU)
    for _ in range(3):
        torch.testing.assert_close(made.take(batch).gradients, gradients.take(batch).gradients, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(scores.take(probes).scores, passes.take(probes).scores, rtol=1e-4, atol=1e-6)
    assert made.replays.replays == scores.replays == 1
    assert stretch_losses._compiled is not None
    assert attended._compiled is not None
    assert attended.refused == stretch_losses.refused == ""


def test_a_function_that_cannot_be_compiled_is_left_as_it_is_and_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fusing, "BACKEND", "aot_eager")

    @Fused
    def looking(x: Tensor) -> Tensor:
        return x * 3 if x.sum() > 1 else x

    x = torch.arange(3.0)
    for _ in range(3):
        with fusing.fusing():
            assert looking(x).equal(x * 3)
    assert looking.refused
    assert len([record for record in caplog.records if "looking is not compiled" in record.message]) == 1


def test_nothing_is_compiled_where_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)

    @Fused
    def doubled(x: Tensor) -> Tensor:
        return 2 * x

    assert doubled(torch.ones(1)).item() == 2
