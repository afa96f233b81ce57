"""What is recorded looks at no value: a GPU would have to be waited for, and records nothing that does."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from attridex.indexer.config import GradientsConfig
from attridex.indexer.gradients.scopes import make_gradients
from attridex.indexer.neurons.quadrature import GRADIENT, quadrature
from attridex.indexer.signing.neuron_passes import NeuronPasses, TokenPasses
from attridex.indexer.tasks.instance_batches import collate
from attridex.indexer.tasks.probes import pad_probes
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.models.plain_models import found, instances

CPU = torch.device("cpu")
LOOKS = ("_local_scalar_dense", "nonzero", "bincount", "masked_select", "_unique2", "unique_dim", "equal", "is_nonzero")
"""What of ATen looks at values, by its name."""
CASES = [(name, task) for name in ("gpt2", "llama", "opt") for task in ("causal-lm", "sequence-classification")]
CASES += [("bert", "sequence-classification")]


class Unseeing(TorchDispatchMode):
    """Refuses what looks at values."""

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See PyTorch."""
        name = function.name().removeprefix("aten::").partition(".")[0]
        flags = [each for each in args[1:2] if isinstance(each, list | tuple) and name in ("index", "index_put", "index_put_")]
        by_flags = any(at is not None and at.dtype == torch.bool for each in flags for at in each)
        assert name not in LOOKS, name
        assert not by_flags, f"{name} by flags"
        return function(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers looks at masks unless it knows that a GPU records; and `one_hot` at labels, on a CPU alone."""
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(torch.nn.functional, "one_hot", lambda x, size: (x[..., None] == torch.arange(size)).long())


@pytest.mark.parametrize("projection", ["kronecker", "sjlt"])
@pytest.mark.parametrize(("name", "task"), CASES)
def test_passes_that_take_gradients_look_at_no_value(name: str, task: str, projection: Any) -> None:
    config = GradientsConfig(parameters="linear", projection=projection, dim=64)
    made = make_gradients(found(name, task), OBJECTIVES[task], config)  # type: ignore[index]
    batch = collate(instances(task), 0, CPU)
    made.take(batch)
    assert made.bound == ""
    with Unseeing():
        made.take(batch)


@pytest.mark.parametrize("rule", [GRADIENT, quadrature("riemann", 3)])
@pytest.mark.parametrize(("name", "task"), CASES)
def test_passes_that_score_neurons_look_at_no_value(name: str, task: str, rule: Any) -> None:
    objective, rows = OBJECTIVES[task], instances(task)  # type: ignore[index]
    passes = NeuronPasses(found(name, task), "post", rule, objective.watch)
    batch = pad_probes([probe for row in rows for probe in objective.probes(row, 0, 0.5)], 0, CPU)
    passes.take(batch)
    assert passes.bound == ""
    with Unseeing():
        passes.take(batch)


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt"])
def test_passes_that_score_all_tokens_look_at_no_value(name: str) -> None:
    passes = TokenPasses(found(name, "causal-lm"), "post", OBJECTIVES["causal-lm"].watch)
    batch = collate(instances("causal-lm"), 0, CPU)
    passes.take(batch)
    with Unseeing():
        passes.take(batch)


def test_passes_whose_way_depends_on_values_say_so() -> None:
    made = make_gradients(found("mixtral", "causal-lm"), OBJECTIVES["causal-lm"], GradientsConfig(parameters="linear"))
    assert made.bound == "tokens are routed to experts"
    with pytest.raises(AssertionError), Unseeing():
        made.take(collate(instances("causal-lm"), 0, CPU))
