"""Shapes are written over classes of arrays, whatever numpy makes of its own aliases."""

import re
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float64

from attridex.indexer import array_types

ROOT = Path(__file__).parents[2]
SHAPED = re.compile(r"\b(?:Bool|Float|Int|Shaped|Num)\d*\[\s*NDArray")


@pytest.mark.parametrize("name", ["Singles", "Doubles", "ShortIntegers", "Integers", "Flags"])
def test_each_is_an_array_class_with_its_elements(name: str) -> None:
    assert getattr(array_types, name).__origin__ is np.ndarray


def test_a_shape_over_one_is_checked() -> None:
    pair = Float64[array_types.Doubles, "2 k"]
    assert isinstance(np.zeros((2, 3)), pair)
    assert not isinstance(np.zeros((3, 2)), pair)
    assert not isinstance(np.zeros((2, 3), np.float32), pair)


def test_no_shape_is_written_over_an_alias_of_numpy() -> None:
    sources = [path for room in ("indexer", "service") for path in (ROOT / room).rglob("*.py")]
    assert [path.name for path in sources if SHAPED.search(path.read_text())] == []
