"""Rows: edited copies of a read position against runs of whole sequences."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from attridex.indexer.neurons.rows import CopiedRows, PackedRows, grow_rows, run_rows
from tests.indexer.oracles import batch, load, sequences


def test_hooks_go_even_when_the_pass_fails(model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir("opt"))

    def broken(*_args: object) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        run_rows(arch, batch(sequences()), "post", [1, 0, 0], broken)  # type: ignore[arg-type]
    assert not [m for m in arch.model.modules() if m._forward_hooks or m._forward_pre_hooks]


@pytest.mark.parametrize("family", ["opt", "gpt2", "bloom", "llama"])
@pytest.mark.parametrize("enter", [[2, 0, 0], [0, 1, 2]])
def test_copies_that_ride_as_rows_equal_copies_of_whole_sequences(
    family: str, enter: list[int], model_dir: Callable[[str], Path]
) -> None:
    arch, rows = load(model_dir(family)), batch(sequences())

    def halved(_layer: int, x: Tensor, _routing: object) -> Tensor:
        return torch.cat([x[:, :1], x[:, 1:] * 0.5], 1)

    with torch.no_grad():
        packed = PackedRows(arch, rows, enter).run("post", halved)
        copied = CopiedRows(arch, rows, enter).run("post", halved)
    assert packed.logits.shape[1] == 1 + sum(enter)
    torch.testing.assert_close(packed.logits, copied.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(packed.hidden, copied.hidden, rtol=1e-4, atol=1e-5)


def test_rows_that_grow_unchanged_say_what_the_unedited_row_says(model_dir: Callable[[str], Path]) -> None:
    arch, rows = load(model_dir("opt")), batch(sequences())

    def same(_layer: int, x: Tensor, _routing: object) -> Tensor:
        return x

    def twice(_layer: int, states: Tensor) -> Tensor:
        return torch.cat([states, states[:, :1]], 1)

    with torch.no_grad():
        logits = grow_rows(arch, rows, "post", same, twice)
    assert logits.shape[1] == 1 + len(arch.layers)
    torch.testing.assert_close(logits, logits[:, :1].expand_as(logits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", ["opt", "bert"])
def test_row_0_says_what_the_model_says(family: str, model_dir: Callable[[str], Path]) -> None:
    arch, rows = load(model_dir(family)), batch(sequences())
    with torch.no_grad():
        found: Any = run_rows(arch, rows, "post", [1, 0, 0], lambda _layer, x, _routing: x)
        expected = arch.model(rows.ids, attention_mask=rows.mask).logits
    torch.testing.assert_close(found.logits[:, 0], expected, rtol=1e-4, atol=1e-5)
