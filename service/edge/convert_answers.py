"""Answers to wire messages; `convert` is the way in."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from google.protobuf import struct_pb2

from attridex.service.edge.convert import LABELS, MODES
from attridex.service.requests import (
    Answer,
    IndexDescription,
    Info,
    Instance,
    InstanceHit,
    InstancesResult,
    NeuronScore,
    NeuronsResult,
    Page,
    Prediction,
    PredictResult,
    SignatureResult,
)
from attridex.v1 import attribution_pb2 as pb

LABEL_CODES = {name: code for code, name in LABELS.items()}
MODE_CODES = {name: code for code, name in MODES.items()}


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Columns of an instance; NaN and infinity, which a Struct cannot hold, become null."""
    message = struct_pb2.Struct()
    message.update({key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in values.items()})
    return message


def info(value: Info) -> pb.AnswerInfo:
    """How an answer was made."""
    timings = value.timings
    return pb.AnswerInfo(
        index=value.index,
        index_version=value.index_version,
        method=value.method,
        sign=value.sign,
        scale=value.scale,
        exact=value.exact,
        recall=value.recall,
        structure=value.structure,
        timings=pb.Timings(queue_seconds=timings.queue, encode_seconds=timings.encode, search_seconds=timings.search),
        curvature=value.curvature,
        damping=value.damping,
        label=cast(Any, LABEL_CODES[value.label]),
    )


def probabilities(values: Iterable[tuple[str, float]]) -> list[pb.LabelProbability]:
    """Label probabilities, in the order of the model's outputs."""
    return [pb.LabelProbability(label=label, probability=p) for label, p in values]


def prediction(value: Prediction | None) -> pb.Prediction | None:
    """The model's own answer."""
    if value is None:
        return None
    return pb.Prediction(
        predicted=value.predicted,
        label=value.label,
        loss=value.loss,
        probabilities=probabilities(value.probabilities),
        greedy=value.greedy,
    )


def neuron_scores(values: Iterable[NeuronScore]) -> list[pb.NeuronScore]:
    """Neurons with scores."""
    return [pb.NeuronScore(layer=n.layer, unit=n.unit, score=n.score, instance_ids=n.instance_ids) for n in values]


def hit(value: InstanceHit) -> pb.InstanceHit:
    """A retrieved instance."""
    return pb.InstanceHit(
        rank=value.rank,
        id=value.id,
        row=value.row,
        score=value.score,
        fields=struct(value.fields),
        shared=neuron_scores(value.shared),
    )


def instances_results(answer: Answer[InstancesResult]) -> list[pb.InstancesResult]:
    """Hits of each query."""
    return [
        pb.InstancesResult(
            query_id=result.query_id,
            prediction=prediction(result.prediction),
            hits=[hit(each) for each in result.hits],
            neurons=neuron_scores(result.neurons),
        )
        for result in answer.results
    ]


def neurons_results(answer: Answer[NeuronsResult]) -> list[pb.NeuronsResult]:
    """Neurons of each query."""
    return [
        pb.NeuronsResult(
            query_id=result.query_id, prediction=prediction(result.prediction), neurons=neuron_scores(result.neurons)
        )
        for result in answer.results
    ]


def predict_results(answer: Answer[PredictResult]) -> list[pb.PredictResult]:
    """Probabilities of each query."""
    return [
        pb.PredictResult(
            query_id=result.query_id,
            baseline=prediction(result.baseline),
            interventions=[
                pb.InterventionResult(
                    name=each.name,
                    mode=cast(Any, MODE_CODES[each.mode]),
                    predicted=each.predicted,
                    probabilities=probabilities(each.probabilities),
                    neurons=[pb.Neuron(layer=layer, unit=unit) for layer, unit in each.neurons],
                    greedy=each.greedy,
                )
                for each in result.interventions
            ],
        )
        for result in answer.results
    ]


def float32(values: np.ndarray[Any, Any]) -> pb.Vector:
    """A vector as bytes."""
    return pb.Vector(data=np.ascontiguousarray(values, "<f4").tobytes(), dtype=pb.DTYPE_FLOAT32)


def signatures(answer: Answer[SignatureResult]) -> list[pb.Signature]:
    """Signatures of texts."""
    return [
        pb.Signature(
            query_id=result.query_id,
            prediction=prediction(result.prediction),
            gradient=float32(result.gradient),
            neurons=neuron_scores(result.neurons),
            hidden=float32(result.hidden),
            activation=float32(result.activation),
        )
        for result in answer.results
    ]


def instances(values: Iterable[Instance]) -> list[pb.Instance]:
    """Training instances."""
    return [
        pb.Instance(
            id=each.id, row=each.row, fields=struct(each.fields), neurons=neuron_scores(each.neurons),
            hidden=None if each.hidden is None else float32(each.hidden),
        )
        for each in values
    ]  # fmt: skip


def page(value: Page) -> pb.ListInstancesResponse:
    """A page of training instances."""
    return pb.ListInstancesResponse(
        index_version=value.index_version,
        instances=instances(value.instances),
        next_page_token=value.next_page_token,
        total=value.total,
    )


def index_info(value: IndexDescription) -> pb.IndexInfo:
    """What an index holds."""
    return pb.IndexInfo(
        name=value.name,
        version=value.version,
        instances=value.instances,
        task=value.task,
        labels=value.labels,
        columns=[pb.Column(name=name, type=kind) for name, kind in value.columns],
        methods=value.methods,
        curvatures=value.curvatures,
        gradient_dim=value.gradient_dim,
        layers=value.layers,
        units=value.units,
        site=value.site,
        has_model=value.has_model,
        manifest=value.manifest,
    )
