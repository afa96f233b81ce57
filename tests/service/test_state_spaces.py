"""An index of a state-space model, from the command line to the client: instance attribution works, neurons are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client, Query
from attridex.client.errors import ClientError


@pytest.mark.parametrize("family", ["mamba", "mamba2"])
def test_instances_are_attributed_and_neurons_refused_in_one_line(
    family: str, project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    refused = attridex("build", project(family, 6, "causal-lm"), "--out", tmp_path / "none")
    assert refused.code == 2
    assert "finds no FFN of one width in every layer" in refused.err
    assert "set neurons.enabled = false (instance attribution works)" in refused.err
    assert not (tmp_path / "none").exists()
    off = {"neurons": {"enabled": False}, "gradients": {"dim": 300, "curvature": ["ekfac"]}}
    config = project(family, 6, "causal-lm", **off)
    built = attridex("build", config, "--out", tmp_path / "index")
    assert built.code == 0, built.err
    with Client.local(tmp_path / "index") as client:
        hits = client.attribute_instances([Query.instance("t1")], method="grad-cos", k=6).results[0].hits
        assert (hits[0].id, hits[0].score) == ("t1", pytest.approx(1.0))
        with pytest.raises(ClientError, match="the index was built without neurons; none were found in its model"):
            client.attribute_neurons([Query.instance("t1")])
