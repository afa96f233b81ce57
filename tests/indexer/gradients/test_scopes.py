"""Gradient scopes: each holds the parameters that it names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.indexer.config import GradientsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.scopes import SCOPES, make_gradients
from attridex.indexer.tasks.registry import OBJECTIVES
from tests.indexer.oracles import load


def names(directory: Path, parameters: str) -> list[str]:
    config = GradientsConfig(parameters=parameters, projection="none")
    made = make_gradients(load(directory), OBJECTIVES["sequence-classification"], config)
    assert made.dim == made.blocks[-1].stop
    return [block.name for block in made.blocks]


def test_every_scope_holds_the_blocks_of_its_parameters(model_dir: Callable[[str], Path]) -> None:
    directory, arch = model_dir("llama"), load(model_dir("llama"))
    assert names(directory, "head") == ["head"]
    assert names(directory, "linear") == list(arch.linear_layers())
    assert names(directory, "mlp") == list(arch.ffn_layers())
    assert names(directory, r"layers\.1\..*q_proj") == ["model.layers.1.self_attn.q_proj"]
    assert SCOPES.keys() == {"head", "linear", "mlp", "adapter"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            "nowhere",
            r'gradients.parameters = "nowhere" fits no linear layer; known: head, linear, mlp; layers have names such as',
        ),
        ("haed", r"did you mean 'head'\?"),
        ("(", r'gradients.parameters = "\(": not "head", "mlp", "linear" or a regular expression'),
    ],
)
def test_what_is_no_scope_is_one_line(parameters: str, said: str, model_dir: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match=said):
        names(model_dir("opt"), parameters)
