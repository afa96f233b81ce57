"""The building benchmarks run on a corpus of any size."""

from collections.abc import Callable, Iterator

import pytest

from attridex.client.benchmarks import building
from attridex.client.benchmarks.measure import Figure

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("benchmark", "name"),
    [
        (building.build_head, "build head"),
        (building.build_linear, "build linear kronecker"),
        (building.build_flat, "build, an instance of 8"),
    ],
)
def test_each_gives_its_figure(benchmark: Callable[[int], Iterator[Figure]], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, value in {"SMALL": TINY, "INSTANCES": 4, "SHORTEST": 3, "LONGEST": 5, "FEW": 4, "MANY": 8}.items():
        monkeypatch.setattr(building, constant, value)
    (figure,) = benchmark(1)
    assert figure.name == name
    assert figure.seconds > 0
    assert figure.floor_seconds > 0
