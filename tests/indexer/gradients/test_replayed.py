"""Passes that are replayed in room for their shape give what plain passes give; where they do not, none is replayed."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import pytest
import torch

from attridex.indexer.config import GradientsConfig
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.gradients.gradients import GradientPass, Gradients
from attridex.indexer.gradients.replayed import Replayed
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.replaying import replays
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.models.plain_models import CASES, found, instances
from tests.indexer.replaying.recorder import again

T = TypeVar("T")
CPU = torch.device("cpu")
NAMES = ("bert", "gpt2", "llama", "opt", "mixtral", "t5")
LANGUAGE = ("causal-lm", "seq2seq-lm")
REPLAYED = [
    (name, task, parameters)
    for name, task in CASES
    for parameters in ("linear", "head")
    if name in NAMES and not (parameters == "head" and task in LANGUAGE)
]


def taking(name: str, task: str, parameters: str) -> Gradients:
    return make_gradients(found(name, task), OBJECTIVES[task], GradientsConfig(parameters=parameters, projection="none"))  # type: ignore[index]


def same(one: GradientPass, other: GradientPass) -> None:
    torch.testing.assert_close(one.gradients, other.gradients, rtol=1e-4, atol=1e-5 * float(other.gradients.abs().max()))
    for field in fields(one.reading):
        column, wanted = getattr(one.reading, field.name), getattr(other.reading, field.name)
        assert (column is None) == (wanted is None), field.name
        if column is not None:
            torch.testing.assert_close(column, wanted.detach(), rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize(("name", "task", "parameters"), REPLAYED)
def test_replayed_passes_give_what_plain_ones_give(name: str, task: str, parameters: str) -> None:
    plain = taking(name, task, parameters)
    made, rows = Replayed(plain, again), instances(task)
    assert (made.replays.tried(collate(rows, 0, CPU)) == "") == (name not in ("t5", "mixtral") and task != "token-classification")
    for part in (rows, rows[:-1], rows[::-1], rows[1:], rows):
        batch = collate(part, 0, CPU)
        for _ in range(3):
            same(made.take(batch), plain.take(batch))
    if task == "seq2seq-lm":
        assert not made.replays.replays  # two sides are passed plainly
    elif name == "t5":
        assert made.replays.refused == "the answer is read where a token stands"
    elif name == "mixtral":
        assert made.replays.refused == "tokens are routed to experts"
    elif task == "token-classification":
        assert made.replays.refused == "an instance has as many decisions as tokens with a label"
    else:
        assert made.replays.replays > 0


def other_numbers(work: Callable[[], T]) -> tuple[Callable[[], None], T]:
    given: Any = work()
    given.gradients.mul_(1.01)
    return (lambda: None), given


def no_recording(_work: Callable[[], T]) -> tuple[Callable[[], None], T]:
    raise RuntimeError("operation not permitted when stream is capturing\nand more")


@pytest.mark.parametrize(
    ("recorder", "why"),
    [
        (no_recording, "a pass cannot be recorded (operation not permitted when stream is capturing)"),
        (other_numbers, "a recorded pass gave other gradients, 0.01 of their norm"),
    ],
)
def test_a_model_that_cannot_be_recorded_is_passed_plainly_and_told_once(
    recorder: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain = taking("gpt2", "causal-lm", "linear")
    made, batch = Replayed(plain, recorder), collate(instances("causal-lm"), 0, CPU)
    for _ in range(4):
        same(made.take(batch), plain.take(batch))
    assert (made.replays.refused, made.replays.replays) == (why, 0)
    assert len(caplog.records) == 1


def test_a_recording_gives_way_to_a_shape_that_came_since_it_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "KEPT", 1)
    plain, recorded = taking("gpt2", "causal-lm", "linear"), list[int]()

    def recorder(work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        recorded.append(1)
        return again(work)

    made, rows = Replayed(plain, recorder), instances("causal-lm")
    batches = [collate(part, 0, CPU) for part in (rows[:1], rows)]
    for batch in [*batches * 3, batches[1], batches[1]]:
        same(made.take(batch), plain.take(batch))
    assert (len(recorded), made.replays.replays) == (2, 2)  # the shapes in turn, then one of them alone


def test_what_sums_factors_is_a_plain_pass() -> None:
    plain = taking("gpt2", "causal-lm", "linear")
    made, factors = Replayed(plain, again), FactorSums(plain.blocks)
    for _ in range(3):
        made.take(collate(instances("causal-lm"), 0, CPU), factors)
    assert factors.tensors()
    assert not made.replays.replays
