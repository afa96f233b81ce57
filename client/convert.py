"""Response messages to the client's dataclasses."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from google.protobuf import json_format

from attridex.client import models
from attridex.v1 import attribution_pb2 as pb

DTYPES = {pb.DTYPE_FLOAT16: "<f2", pb.DTYPE_FLOAT32: "<f4", pb.DTYPE_FLOAT64: "<f8"}
LABELS = {pb.LABEL_SOURCE_GOLD: "gold", pb.LABEL_SOURCE_PREDICTED: "predicted"}
MODES = {pb.INTERVENTION_MODE_SUPPRESS: "suppress", pb.INTERVENTION_MODE_KEEP: "keep"}


def info(message: pb.AnswerInfo) -> models.Info:
    """How an answer was made."""
    timings = message.timings
    return models.Info(
        index=message.index,
        index_version=message.index_version,
        method=message.method,
        sign=message.sign,
        scale=message.scale,
        exact=message.exact,
        recall=message.recall if message.HasField("recall") else None,
        timings=models.Timings(timings.queue_seconds, timings.encode_seconds, timings.search_seconds),
        curvature=message.curvature,
        damping=message.damping if message.HasField("damping") else None,
        label=LABELS.get(message.label),
        structure=message.structure,
    )


def probabilities(values: Iterable[pb.LabelProbability]) -> dict[str, float]:
    """Label probabilities, in the order of the model's outputs."""
    return {value.label: value.probability for value in values}


def prediction(message: pb.Prediction) -> models.Prediction:
    """The model's own answer."""
    return models.Prediction(message.predicted, message.label, message.loss, probabilities(message.probabilities), message.greedy)


def maybe_prediction(message: Any) -> models.Prediction | None:
    """The prediction of a result, where the query was a text."""
    return prediction(message.prediction) if message.HasField("prediction") else None


def neurons(values: Iterable[pb.NeuronScore]) -> tuple[models.NeuronScore, ...]:
    """Neurons with scores."""
    return tuple(models.NeuronScore(n.layer, n.unit, n.score, tuple(n.instance_ids)) for n in values)


def fields(message: Any, order: Sequence[str]) -> dict[str, Any]:
    """Columns of an instance, those of `order` first and in it; numbers that are whole become ints."""
    values = json_format.MessageToDict(message.fields)
    names = [*(name for name in order if name in values), *sorted(values.keys() - order)]
    return {name: int(v) if isinstance(v := values[name], float) and v.is_integer() else v for name in names}


def hit(message: pb.InstanceHit, order: Sequence[str]) -> models.InstanceHit:
    """A retrieved instance."""
    shared = neurons(message.shared)
    return models.InstanceHit(message.rank, message.id, message.row, message.score, fields(message, order), shared)


def instances_answer(
    message: "pb.AttributeInstancesResponse | pb.FindInstancesByNeuronsResponse", order: Sequence[str] = ()
) -> models.InstancesAnswer:
    """IA and NA-Instances; `order` of the columns as they were asked for."""
    return models.InstancesAnswer(
        info(message.info),
        tuple(
            models.InstancesResult(
                each.query_id, maybe_prediction(each), tuple(hit(one, order) for one in each.hits), neurons(each.neurons)
            )
            for each in message.results
        ),
    )


def neurons_answer(message: "pb.AttributeNeuronsResponse | pb.FindNeuronsByInstancesResponse") -> models.NeuronsAnswer:
    """NA and IA-Neurons."""
    return models.NeuronsAnswer(
        info(message.info),
        tuple(models.NeuronsResult(each.query_id, maybe_prediction(each), neurons(each.neurons)) for each in message.results),
    )


def predict_answer(message: pb.PredictResponse) -> models.PredictAnswer:
    """Predict."""
    return models.PredictAnswer(
        info(message.info),
        tuple(
            models.PredictResult(each.query_id, prediction(each.baseline), tuple(map(intervention, each.interventions)))
            for each in message.results
        ),
    )


def intervention(message: pb.InterventionResult) -> models.InterventionResult:
    """Probabilities under one intervention."""
    return models.InterventionResult(
        message.name,
        MODES.get(message.mode, ""),
        message.predicted,
        probabilities(message.probabilities),
        tuple(models.Neuron(n.layer, n.unit) for n in message.neurons),
        message.greedy,
    )


def vector(message: pb.Vector) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A vector as float32."""
    return np.frombuffer(message.data, DTYPES[message.dtype]).astype(np.float32)


def signature_answer(message: pb.ComputeSignatureResponse) -> models.SignatureAnswer:
    """ComputeSignature."""
    return models.SignatureAnswer(
        info(message.info),
        tuple(
            models.Signature(
                each.query_id,
                prediction(each.prediction),
                vector(each.gradient),
                neurons(each.neurons),
                vector(each.hidden),
                vector(each.activation),
            )
            for each in message.signatures
        ),
    )


def instances(values: Iterable[pb.Instance], order: Sequence[str] = ()) -> tuple[models.Instance, ...]:
    """Training instances; `order` of the columns as they were asked for."""
    return tuple(
        models.Instance(
            each.id,
            each.row,
            fields(each, order),
            neurons(each.neurons),
            vector(each.hidden) if each.HasField("hidden") else None,
        )
        for each in values
    )


def page(message: pb.ListInstancesResponse, order: Sequence[str] = ()) -> models.Page:
    """A page of training instances."""
    return models.Page(message.index_version, instances(message.instances, order), message.next_page_token, message.total)


def index_info(message: pb.IndexInfo) -> models.IndexInfo:
    """What an index holds."""
    return models.IndexInfo(
        name=message.name,
        version=message.version,
        instances=message.instances,
        task=message.task,
        labels=tuple(message.labels),
        columns={column.name: column.type for column in message.columns},
        methods=tuple(message.methods),
        curvatures=tuple(message.curvatures),
        gradient_dim=message.gradient_dim,
        layers=message.layers,
        units=message.units,
        site=message.site,
        has_model=message.has_model,
        manifest=json.loads(message.manifest or "{}"),
    )


STREAM: dict[str, Callable[[Any], models.Tabular]] = {
    "attribute_instances": instances_answer,
    "attribute_neurons": neurons_answer,
    "find_instances_by_neurons": instances_answer,
    "find_neurons_by_instances": neurons_answer,
    "predict": predict_answer,
}
"""How each kind of a stream's response is read."""
