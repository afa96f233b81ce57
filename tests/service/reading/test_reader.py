"""Queries are checked before any is signed, texts are signed together, and what was not asked for is not invented."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.index.records import CorpusFacts, ModelFacts
from attridex.service.caller import Caller
from attridex.service.encoding.need import Need
from attridex.service.errors import InvalidArgumentError, ModelRequiredError, ServiceError
from attridex.service.reading.asked import Asked, as_scores, gradient_of, neurons_of
from attridex.service.reading.predictions import prediction_of
from attridex.service.reading.reader import TEXT, Reader
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import NeuronScore, Prediction
from attridex.v1.requests import Query

UNITS = 4
RECORD, STORED, VECTOR = Query.record({"premise": "x"}), Query.instance("t3"), Query.vector([1, 2])
NEURONS = Query.neurons([(1, 2), (0, 1), (1, 2)])


def signature(loss: float = 0.5, **more: Any) -> Any:
    facts = {
        "label": "b", "said": "a", "loss": loss, "outputs": ("a", "b"), "probabilities": [0.75, 0.25], "greedy": None,
        "gradient": np.array([3, 4], np.float32), "top": lambda r: [(1, 2, 0.5), (0, 1, 0.25)], **more,
    }  # fmt: skip
    return SimpleNamespace(**facts)


class Encoder:
    """Signs whatever it is given, and remembers what."""

    def __init__(self, loss: float = 0.5) -> None:
        """The loss of every text."""
        self.loss, self.rendered, self.batches = loss, list[Any](), list[int]()

    def render(self, record: Any, where: str, **how: Any) -> Any:
        """The record itself."""
        self.rendered.append((record, where, how))
        return SimpleNamespace(label_name=None, record=record)

    def stored(self, row: Any) -> Any:
        """The row itself."""
        self.rendered.append(row)
        return SimpleNamespace(label_name=None, record=row)

    def sign(self, instances: Any, need: Any, caller: Any) -> list[Any]:
        """Signatures."""
        self.batches.append(len(instances))
        return [signature(self.loss) for _ in instances]


def version() -> Any:
    manifest = SimpleNamespace(
        neurons=True, gradient_dim=2, task="multiple-choice", label="gold",
        model=ModelFacts.model_construct(layers=3, units=UNITS, labels=[]),
        corpus=CorpusFacts(fingerprint="f", instances=4, text_fields=["premise"], tokens=9),
        config=SimpleNamespace(corpus=SimpleNamespace(id="uid", label="gold", keeps_encodings=False, rendering=2)),
    )  # fmt: skip
    values = {"premise": "stored", "id": "t3", "label": "2", "predicted": "1", "loss": 0.25}
    made = object.__new__(IndexVersion)
    vars(made).update(
        manifest=manifest, row_of=lambda identity: int(identity[1:]), gradients="gradients",
        fields=lambda rows, names: [{name: values[name] for name in names} for _ in rows],
        select=lambda sql, parameters: [("1", 0.5), ("2", 0.25)],
        vector=lambda parts, row: np.full(2, float(row)),
        kept=(np.array([0, 0, 0, 0, 2]), np.array([6, 1], np.int32), np.array([0.5, 0.25])),
    )  # fmt: skip
    return made


def reader(encoder: Any = None) -> Reader:
    return Reader(version(), encoder, Caller())


def test_texts_are_signed_together_and_look_ups_are_not() -> None:
    encoder = Encoder()
    asked = reader(encoder).ask([RECORD, STORED, VECTOR, RECORD], Need(gradient=True), (*TEXT, "vector"))
    assert encoder.batches == [2]
    assert [one.signature is not None for one in asked] == [True, False, False, True]
    assert [one.row for one in asked] == [None, 3, None, None]
    assert [one.name for one in asked] == ["#0", "t3", "#2", "#3"]


def test_a_training_instance_is_rendered_from_its_stored_fields() -> None:
    encoder = Encoder()
    (one,) = reader(encoder).ask([STORED], Need(neurons=True), sign=True)
    assert one.row == 3
    assert encoder.rendered == [{"premise": "stored", "id": "t3", "label": "2"}]


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ([], "queries: none given"),
        ([Query("q")], "query 'q': exactly one of record, instance_id, vector, neurons is needed"),
        ([STORED, VECTOR], "query '#1': a vector cannot be asked here; give record or instance_id"),
    ],
)
def test_a_query_that_cannot_be_read_is_named_and_nothing_is_signed(queries: list[Query], said: str) -> None:
    encoder = Encoder()
    with pytest.raises(InvalidArgumentError) as raised:
        reader(encoder).ask([RECORD, *queries] if queries else [], Need(), TEXT)
    assert str(raised.value).replace("#2", "#1") == said
    assert encoder.batches == []


def test_a_text_needs_the_model_unless_it_is_only_shown() -> None:
    with pytest.raises(ModelRequiredError, match="--no-model"):
        reader().ask([RECORD], Need(gradient=True))
    (one,) = reader().ask([RECORD], Need(), model_needed=False)
    assert one.signature is None


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="query '#0': the model's loss is not finite"):
        reader(Encoder(np.inf)).ask([RECORD], Need(gradient=True))


def test_vectors_and_neurons_come_from_the_query_the_model_or_the_row() -> None:
    signed, row, vector = Asked(RECORD, "q", None, signature()), Asked(STORED, "t3", 3), Asked(VECTOR, "v")
    assert [gradient_of(version(), one).tolist() for one in (signed, row, vector)] == [[3, 4], [3, 3], [1, 2]]
    ids = [[neuron for neuron, _ in neurons_of(version(), one)] for one in (Asked(NEURONS, "n"), signed, row)]
    assert ids == [[6, 1]] * 3
    assert neurons_of(version(), signed, 1) == [(6, 0.5)]
    assert as_scores(version(), neurons_of(version(), row, 1)) == (NeuronScore(1, 2, 0.5),)


@pytest.mark.parametrize("read", [gradient_of, neurons_of])
def test_what_is_neither_signed_nor_stored_is_never_answered_from_row_0(read: Any) -> None:
    with pytest.raises(ServiceError, match="query 'q': neither signed nor stored"):
        read(version(), Asked(RECORD, "q"))


def test_a_prediction_is_the_model_s_or_the_stored_one() -> None:
    assert prediction_of(version(), Asked(RECORD, "q", None, signature())) == Prediction("a", "b", 0.5, {"a": 0.75, "b": 0.25})
    assert prediction_of(version(), Asked(STORED, "t3", 3)) == Prediction("1", "2", 0.25, {"1": 0.5, "2": 0.25})
    assert prediction_of(version(), Asked(VECTOR, "v")) is None
    target = signature(label="a dog", said=None, outputs=("a dog",), probabilities=[0.5], greedy="a cat")
    assert prediction_of(version(), Asked(RECORD, "q", None, target)) == Prediction("", "a dog", 0.5, {"a dog": 0.5}, "a cat")
