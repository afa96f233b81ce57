"""The neuron benchmarks run on a model of any size."""

import pytest

from attridex.client.benchmarks import neurons

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_each_gives_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, value in {"OPT_125M": TINY, "TOKENS": 5, "BATCH": 2, "SIZES": (0, 3), "LOOPED": 2}.items():
        monkeypatch.setattr(neurons, constant, value)
    found = [*neurons.neuron_scores(1), *neurons.ablation_sweep(1)]
    assert [figure.name for figure in found] == ["neuron scores", "neuron scores, loop", "ablation sweep"]
    assert all(figure.seconds > 0 and figure.floor_seconds > 0 for figure in found)
