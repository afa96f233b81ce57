"""The benchmarks of a GPU run on a CPU, at sizes of its own; nothing is said of a GPU's figures here."""

import pytest

from attridex.client.benchmarks import gpu

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of a CPU."""
    sizes = {
        "DEVICE": "cpu", "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 60}, "ROWS": 12, "TOKENS": 9, "BATCH": 4,
        "SIDE": 4, "OPT_125M": TINY, "OPT_1B": TINY, "SHORT": 6, "STEPS": 2, "TOGETHER": 256, "STORED": 300, "DIM": 16,
    }  # fmt: skip
    for name, value in sizes.items():
        monkeypatch.setattr(gpu, name, value)


def test_builds_are_measured_in_each_precision() -> None:
    found = [*gpu.build(1)]
    assert [(figure.name, figure.target) for figure in found] == [
        ("build on a GPU, bfloat16", 0.9), ("build on a GPU, float32", 1.1), ("build on a GPU, tf32", 1.0)
    ]  # fmt: skip
    assert all(figure.seconds > 0 and figure.floor_seconds > 0 for figure in found)


def test_neuron_scores_are_measured_at_two_sizes() -> None:
    found = [*gpu.neurons(1)]
    assert [figure.name for figure in found] == [f"neuron scores on a GPU, {size}, bfloat16" for size in ("125m", "1.3b")]
    assert all(figure.seconds > 0 and figure.floor_seconds > 0 for figure in found)


def test_a_search_is_held_against_a_copy() -> None:
    (figure,) = gpu.search(1)
    assert (figure.name, figure.target) == ("search on a GPU, 1 query, float16", 1 / 0.85)
    assert figure.seconds > 0
    assert figure.floor_seconds > 0
