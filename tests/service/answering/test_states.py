"""States of training instances, given out where asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attridex.client import Client, Query


@pytest.mark.parametrize("task", ["sequence-classification", "multiple-choice", "causal-lm"])
def test_a_stored_state_is_that_of_the_instance_s_text(task: str, indexed: Callable[..., Path]) -> None:
    ids = ["t7", "t2"]
    with Client.local(indexed("gpt2", 12, task) / "index") as client:
        stored = client.get_instances(ids, fields=["id"], with_hidden=True)
        signed = client.compute_signature([Query.instance(one) for one in ids]).results
        assert [each.id for each in stored] == ids
        for one, other in zip(stored, signed, strict=True):
            np.testing.assert_allclose(one.hidden, other.hidden, rtol=1e-4, atol=1e-5)
        assert client.get_instances(ids)[0].hidden is None
