"""Sketches: what is kept of layers' gradients is the projection of the gradients themselves."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attridex.indexer.config import GradientsConfig, Projection
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.projection import global_projection, kronecker_sides
from attridex.indexer.gradients.sketches import GlobalSketch, LayerSketch, Sketch, make_sketch

LAYERS: dict[str, nn.Module] = {"a": nn.Linear(5, 3), "b": nn.Linear(3, 4)}


def sketched(kind: Projection, dim: int) -> Sketch:
    return make_sketch(LAYERS, GradientsConfig(parameters="linear", projection=kind, dim=dim, seed=3))


def passed(sketch: Sketch) -> tuple[Tensor, dict[str, Tensor]]:
    """The stored vectors [2, d] of random inputs and output gradients, and the whole gradients [2, o, i]."""
    torch.manual_seed(0)
    out, whole = torch.zeros(2, sketch.dim), {}
    for name, layer in LAYERS.items():
        o, i = layer.get_parameter("weight").shape
        a, delta = torch.randn(2, 6, i), torch.randn(2, 6, o)
        sketch.add(name, sketch.keep(name, a), sketch.project(name, delta), out)
        whole[name] = torch.einsum("bto,bti->boi", delta, a)
    return out, whole


def test_a_full_sketch_holds_the_gradients_themselves() -> None:
    sketch = sketched("none", 1)
    found, whole = passed(sketch)
    torch.testing.assert_close(found, torch.cat([whole[name].flatten(1) for name in LAYERS], 1))
    assert [(block.name, block.start, block.stop) for block in sketch.blocks] == [("a", 0, 15), ("b", 15, 27)]


def test_a_kronecker_sketch_projects_both_sides_of_each_layer() -> None:
    sketch = sketched("kronecker", 12)
    found, whole = passed(sketch)
    for block, layer in zip(sketch.blocks, LAYERS.values(), strict=True):
        o, i = layer.get_parameter("weight").shape
        sides = kronecker_sides(block.name, (o, i), 6, 3)
        left = torch.eye(o) if sides.outer is None else sides.outer.matrix
        right = torch.eye(i) if sides.inner is None else sides.inner.matrix
        torch.testing.assert_close(found[:, block.start : block.stop], (left @ whole[block.name] @ right.T).flatten(1))
    with pytest.raises(InputError, match=r"gradients.dim = 1: fewer than one for each of 2 layers"):
        sketched("kronecker", 1)


@pytest.mark.parametrize("kind", ["sjlt", "gaussian", "rademacher"])
def test_a_global_sketch_adds_the_images_of_the_layers(kind: Projection) -> None:
    found, whole = passed(sketched(kind, 7))
    images = [global_projection(kind, whole[name][0].numel(), 7, 3, name)(whole[name].flatten(1)) for name in LAYERS]
    np.testing.assert_allclose(found, sum(images), rtol=1e-5, atol=1e-6)


def test_the_configuration_s_word_chooses_the_sketch() -> None:
    kinds: dict[Projection, type[Sketch]] = {
        "none": LayerSketch, "kronecker": LayerSketch, "sjlt": GlobalSketch, "gaussian": GlobalSketch
    }  # fmt: skip
    assert {kind: type(sketched(kind, 8)) for kind in kinds} == kinds


def test_a_projection_of_all_layers_is_one_block_whose_name_is_told() -> None:
    config = GradientsConfig(parameters="linear", projection="sjlt", dim=7)
    assert [make_sketch(LAYERS, config, *name).blocks[0].name for name in ([], ["head"])] == ["all", "head"]
