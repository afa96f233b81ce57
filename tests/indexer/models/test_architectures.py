"""Architectures: every family's parts are where its description says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.models.families import Family
from attridex.indexer.structure.parts import linear_shape
from tests.indexer import oracles
from tests.indexer.oracles import batch, load, sequences

OPT = Family("model", "model.decoder.layers", "fc1", "fc2", "self_attn.out_proj", adds_if="do_layer_norm_before")


@pytest.mark.parametrize("family", oracles.FAMILIES)
def test_the_head_reads_what_the_model_s_own_head_reads(family: str, model_dir: Callable[[str], Path]) -> None:
    arch, rows = load(model_dir(family)), batch(sequences())
    with torch.no_grad():
        states = arch.final_states(rows)
        hidden = arch.hidden_states(states, rows)
        logits = arch.logits(hidden)
        torch.testing.assert_close(logits, arch.model(rows.ids, attention_mask=rows.mask).logits, rtol=1e-5, atol=1e-5)
    assert (arch.outputs, arch.hidden) == linear_shape(arch.head) == (3, hidden.shape[-1])


@pytest.mark.parametrize("family", oracles.FAMILIES)
def test_ffn_layers_are_linear_layers_of_the_blocks_and_the_head_is_none(family: str, model_dir: Callable[[str], Path]) -> None:
    arch = load(model_dir(family))
    linear, ffn = arch.linear_layers(), arch.ffn_layers()
    assert ffn.keys() < linear.keys()
    assert len(ffn) == len(arch.layers) * (3 if family in oracles.GATED else 2)
    assert {arch.width} <= {size for module in ffn.values() for size in linear_shape(module)}
    assert all(module is not arch.head for module in linear.values())
    assert arch.units("head") == 4
    assert arch.units("post") == arch.width == 40 if family not in ("gpt2", "bloom") else 96


@pytest.mark.parametrize("part", ["body", "layers", "ffn_in", "ffn_out", "attention_out"])
def test_a_family_that_names_what_the_model_does_not_have_is_told_so(part: str, model_dir: Callable[[str], Path]) -> None:
    model = load(model_dir("opt")).model
    with pytest.raises(InputError, match=f"the model family's {part} = 'nowhere': .* has no such module; it has "):
        Architecture(model, replace(OPT, **{part: "nowhere"}))


@pytest.mark.parametrize("family", oracles.GATED)
def test_a_gated_ffn_has_no_site_before_its_nonlinearity(family: str, model_dir: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="not defined for a gated FFN"):
        load(model_dir(family)).check_site("pre")


def test_a_layer_that_normalises_behind_its_addition_does_not_add(model_dir: Callable[[str], Path]) -> None:
    added = [load(model_dir(name)).adds for name in ("opt", "opt-post-norm", "llama", "bert")]
    assert added == [[1.0] * 3, [], [1.0] * 3, []]
