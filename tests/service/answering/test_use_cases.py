"""Each use case, asked without a wire: what it answers follows from what the index stores."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attridex.service.answering import hits as rows
from attridex.service.answering.attribute_instances import attribute_instances
from attridex.service.answering.attribute_neurons import attribute_neurons
from attridex.service.answering.call import Call
from attridex.service.answering.compute_signature import compute_signature, signature_of
from attridex.service.answering.find_instances_by_neurons import find_instances_by_neurons
from attridex.service.answering.find_neurons_by_instances import find_neurons_by_instances
from attridex.service.answering.influential import Wanted, checked_scores, find_influential
from attridex.service.answering.predict import intervention_name, predict
from attridex.service.caller import Caller
from attridex.service.errors import CancelledError, InvalidArgumentError, NotIndexedError, ServiceError
from attridex.service.methods.random import METHOD as RANDOM
from attridex.service.reading.asked import Asked
from attridex.service.search.postings import SharingHit, Weighted
from attridex.v1 import requests
from attridex.v1.filters import Comparison
from attridex.v1.requests import Intervention, Neuron, Query, Scoring
from tests.conftest import records

STORED = (Query.instance("t3"), Query.instance("t8"))
TEXT = (Query.record(records(4)[3]),)


def stored_scores(call: Call, row: int) -> np.ndarray[Any, Any]:
    """Inner products of a row's gradient with all others, the slow way."""
    vectors = np.stack([call.version.vector(call.version.gradients, each) for each in range(call.version.rows)])
    return np.asarray(vectors @ vectors[row])


@pytest.mark.parametrize("ascending", [False, True])
def test_ia_ranks_all_rows_by_their_inner_products(call: Call, ascending: bool) -> None:
    request = requests.AttributeInstancesRequest(STORED, k=30, fields=("genre",), ascending=ascending)
    answer = attribute_instances(call, request)
    for row, result in zip((3, 8), answer.results, strict=True):
        scores = stored_scores(call, row) * (-1 if ascending else 1)
        assert [hit.row for hit in result.hits][:3] == np.argsort(-scores, kind="stable")[:3].tolist()
        assert {hit.row: hit.score for hit in result.hits} == pytest.approx(dict(enumerate(stored_scores(call, row))), rel=1e-6)
        assert [hit.fields["genre"] for hit in result.hits] == [records(30)[hit.row]["genre"] for hit in result.hits]
        assert result.prediction is not None
    assert (answer.info.index, answer.info.method, answer.info.label, answer.info.exact) == ("mine", "grad-dot", "gold", True)


def test_ten_instances_are_found_unless_others_are_asked_for(call: Call) -> None:
    assert len(attribute_instances(call, requests.AttributeInstancesRequest(STORED)).results[0].hits) == 10
    found = find_influential(call, Wanted(STORED, Scoring("random"), 4, Comparison("genre", "=", "phone")))
    assert [len(hits.rows) for hits in found.hits] == [4, 4]
    assert all(row % 2 == 0 for hits in found.hits for row in hits.rows)
    assert found.info(call).scale.endswith("; seed = 0")


@pytest.mark.parametrize(
    ("scores", "said"),
    [(np.ones(29), r"shape \(29,\)"), (np.ones((30, 1)), r"shape \(30, 1\)"), (np.full(30, np.nan), "not finite")],
)
def test_a_method_whose_scores_are_not_one_number_a_row_is_named(scores: Any, said: str) -> None:
    assert checked_scores(RANDOM, np.ones(30), 30).sum() == 30
    with pytest.raises(ServiceError, match=f"method 'random' gave .*{said}.*; one finite number for each of 30 rows is needed"):
        checked_scores(RANDOM, scores, 30)


def test_a_method_s_settings_are_said_with_the_answer(call: Call) -> None:
    scoring = Scoring("influence", "hessian", damping=0.5)
    info = attribute_instances(call, requests.AttributeInstancesRequest(STORED, scoring)).info
    assert (info.curvature, info.damping) == ("hessian", 0.5)


def test_na_gives_the_kept_neurons_of_texts_and_instances(call: Call) -> None:
    stored = attribute_neurons(call, requests.AttributeNeuronsRequest(STORED[:1], r=0)).results[0].neurons
    signed = attribute_neurons(call, requests.AttributeNeuronsRequest(TEXT, r=0)).results[0].neurons
    assert [each.neuron for each in stored] == [each.neuron for each in signed]
    assert attribute_neurons(call, requests.AttributeNeuronsRequest(STORED[:1], r=2)).results[0].neurons == stored[:2]


def test_na_instances_share_what_they_say_they_share(call: Call) -> None:
    answer = find_instances_by_neurons(call, requests.FindInstancesByNeuronsRequest(STORED, k=30))
    for result in answer.results:
        assert len(result.neurons) <= 5
        for hit in result.hits:
            assert hit.score == pytest.approx(sum(each.score for each in hit.shared))
            assert {each.neuron for each in hit.shared} <= {each.neuron for each in result.neurons}
    (alike,) = find_instances_by_neurons(
        call, requests.FindInstancesByNeuronsRequest(STORED[:1], similarity="activation")
    ).results
    assert (alike.hits[0].id, alike.hits[0].score) == ("t3", pytest.approx(1, abs=1e-3))


def test_ia_neurons_are_those_of_the_instances_found(call: Call) -> None:
    answer = find_neurons_by_instances(call, requests.FindNeuronsByInstancesRequest(STORED[:1], r=0, instances=5))
    found = {hit.id for hit in attribute_instances(call, requests.AttributeInstancesRequest(STORED[:1], k=5)).results[0].hits}
    assert {identity for neuron in answer.results[0].neurons for identity in neuron.instance_ids} <= found
    assert answer.info.method == "grad-dot/top-neuron"


def test_predictions_change_only_under_interventions_that_change_something(call: Call) -> None:
    edits = (
        Intervention("suppress", []), Intervention("keep", r=3), Intervention("keep", [(0, 1)], name="mine"),
        Intervention("suppress", method="ia:influence/fisher", r=2),
    )  # fmt: skip
    (result,) = predict(call, requests.PredictRequest(TEXT, edits)).results
    nothing, top, mine, influential = result.interventions
    assert nothing.probabilities == pytest.approx(result.baseline.probabilities, abs=1e-6)
    (own,) = attribute_neurons(call, requests.AttributeNeuronsRequest(TEXT, 3)).results
    assert top.neurons == tuple(each.neuron for each in own.neurons)
    assert (mine.name, mine.neurons) == ("mine", (Neuron(0, 1),))
    assert influential.name == "suppress ia:influence/fisher:2"
    assert sum(top.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (Intervention("keep", [(0, 1), (2, 3)]), "keep 0-1,2-3"),
        (Intervention("suppress", r=4), "suppress na:4"),
        (Intervention("keep", method="ia:grad-dot", r=1), "keep ia:grad-dot:1"),
    ],
)
def test_an_intervention_without_a_name_is_called_after_what_it_does(edit: Intervention, name: str) -> None:
    assert intervention_name(edit) == name


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Intervention("keep", method="ia:influence", r=1), "can use fisher, hessian here; name one: 'ia:influence/fisher'"),
        (Intervention("keep", method="ia:grad-dot/fisher", r=1), "interventions: method 'grad-dot' has no curvature"),
        (Intervention("keep", method="ia:nearest", r=1), "interventions: unknown 'nearest'"),
        (Intervention("keep", [(9, 9)], name="n"), "intervention 'n': neuron 9-9"),
        (Intervention("keep", r=999), "r = 999: must be 0 to"),
    ],
)
def test_an_intervention_that_cannot_be_carried_out_is_refused(call: Call, edit: Intervention, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        predict(call, requests.PredictRequest(TEXT, (edit,)))


def test_a_signature_is_what_the_index_stores_for_the_same_text(call: Call) -> None:
    (result,) = compute_signature(call, requests.ComputeSignatureRequest(TEXT)).results
    np.testing.assert_allclose(result.gradient, call.version.vector(call.version.gradients, 3), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(result.hidden, call.version.state(3), rtol=1e-3, atol=1e-5)
    with pytest.raises(ServiceError, match="query 'q': no signature"):
        signature_of(call.version, Asked(TEXT[0], "q"))


def test_hits_are_numbered_from_1_with_their_columns(call: Call) -> None:
    found = rows.sharing_hits(call.version, [SharingHit(4, 0.5, [Weighted(41, 0.25)])], ["genre"])
    assert [(hit.rank, hit.id, hit.row, hit.fields["genre"]) for hit in found] == [(1, "t4", 4, "phone")]
    assert [(each.neuron, each.score) for each in found[0].shared] == [(Neuron(1, 1), 0.25)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda call: attribute_instances(call, requests.AttributeInstancesRequest(STORED)),
        lambda call: attribute_instances(call, requests.AttributeInstancesRequest(STORED, Scoring("random"))),
        lambda call: find_instances_by_neurons(call, requests.FindInstancesByNeuronsRequest(STORED)),
        lambda call: find_instances_by_neurons(call, requests.FindInstancesByNeuronsRequest(STORED, similarity="attribution")),
    ],
)
def test_work_stops_at_the_next_checkpoint(call: Call, ask: Callable[[Call], Any]) -> None:
    def gone() -> None:
        raise CancelledError("gone")

    with pytest.raises(CancelledError):
        ask(Call(call.tools, call.version, Caller(gone)))


def test_a_method_that_the_index_was_not_built_for_says_what_is_missing(call: Call) -> None:
    with pytest.raises(NotIndexedError, match=r'build with gradients\.curvature = \["trak"\]'):
        attribute_instances(call, requests.AttributeInstancesRequest(STORED, Scoring("trak")))
