"""Signatures: readings joined, neurons in order, means over probes, dense vectors as they are stored."""

import numpy as np
import pytest
import torch

from attridex.indexer.config import NeuronsConfig
from attridex.indexer.errors import InputError
from attridex.indexer.gradients.projection import SparseProjection
from attridex.indexer.signing.dense import DenseSignatures
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.signing.probe_means import ScoredInstance, probe_means
from attridex.indexer.signing.signature import Decision, GradientReading, NeuronReading, Signature, as_neurons

SCORES = np.array([[0.5, 1.0, 0.05], [0.5, -3.0, 0.11]], np.float32)
ONE = np.ones(1, np.float32)
READING = GradientReading(
    1, "no", 0.25, "yes", ("no", "yes"), np.array([0.2, 0.8], np.float32), np.array([-1, 1], np.float32), ONE
)


def neurons(value: float) -> NeuronReading:
    return NeuronReading(SCORES * np.float32(value), ONE * np.float32(value), ONE)


def test_a_signature_is_its_readings() -> None:
    whole = Signature.joined(READING, neurons(1), 0.1)
    assert (whole.predicted, whole.loss, whole.outputs, whole.keep) == (1, 0.25, ("no", "yes"), 0.1)
    assert whole.scores is not None
    assert np.array_equal(whole.scores, SCORES)
    assert whole.decision == Decision(1, 1.0, READING.probabilities, "yes")
    with pytest.raises(InputError, match="without neuron scores"):
        Signature.joined(READING, None, 0.1).top(3)


def test_kept_neurons_come_in_descending_score_ties_by_layer_and_unit() -> None:
    found = as_neurons(SCORES, 0.1)
    assert [(each.layer, each.unit) for each in found] == [(0, 1), (0, 0), (1, 0), (1, 2)]
    whole = Signature.joined(READING, neurons(1), 0.1)
    assert (whole.top(2), whole.top(0), whole.kept(0.6)) == (found[:2], found, found[:1])


def test_means_over_probes_come_when_the_last_probe_is_in() -> None:
    taken = []
    readings = [ScoredInstance(0, neurons(1)), ScoredInstance(1, neurons(5)), ScoredInstance(0, neurons(2))]
    means = probe_means((taken.append(each.position) or each for each in readings), {0: 2, 1: 1})
    assert (next(means).position, taken) == (1, [0, 1])
    ((position, found),) = means
    assert position == 0
    np.testing.assert_allclose(found.scores, SCORES * 1.5)
    assert found.activation.tolist() == [1.5]


def test_dense_vectors_are_projected_only_where_they_are_many() -> None:
    values = torch.randn(4, 2, 30)
    whole = DenseSignatures(60, NeuronsConfig(signature_dim=60))
    assert (whole.dim, whole.projected) == (60, False)
    assert torch.equal(whole(values), values.flatten(1))
    few = DenseSignatures(60, NeuronsConfig(signature_dim=16))
    assert (few.dim, few.projected) == (16, True)
    assert torch.equal(few(values), SparseProjection(60, 16, 0, "signature")(values.flatten(1)))


def test_an_edit_suppresses_its_neurons_or_all_others() -> None:
    suppressed, kept = (NeuronEdit(mode, ((0, 1), (1, 0))).factors(2, 2).tolist() for mode in ("suppress", "keep"))  # type: ignore[arg-type]
    assert suppressed == [[1, 0], [0, 1]]
    assert kept == [[0, 1], [1, 0]]
