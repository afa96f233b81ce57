"""Answers to and from protobuf. Where an answer has columns, they come back in the order that they were asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.answers import (
    Info,
    Instance,
    InstanceHit,
    Instances,
    InstancesAnswer,
    InstancesResult,
    InterventionResult,
    NeuronsAnswer,
    NeuronScore,
    NeuronsResult,
    Page,
    PredictAnswer,
    Prediction,
    PredictResult,
    Signature,
    SignatureAnswer,
    Timings,
)
from attridex.v1.wire_values import (
    LABELS,
    MODE_CODES,
    MODES,
    columns_from_wire,
    columns_to_wire,
    given,
    label_to_wire,
    neurons_from_wire,
    neurons_to_wire,
    vector_from_wire,
    vector_to_wire,
)

# ---------------------------------------------------------------- how an answer was made


def info_to_wire(info: Info) -> pb.AnswerInfo:
    """How an answer was made."""
    timings = info.timings
    return pb.AnswerInfo(
        index=info.index,
        index_version=info.index_version,
        method=info.method,
        sign=info.sign,
        scale=info.scale,
        exact=info.exact,
        recall=info.recall,
        structure=info.structure,
        timings=pb.Timings(queue_seconds=timings.queue, encode_seconds=timings.encode, search_seconds=timings.search),
        curvature=info.curvature,
        damping=info.damping,
        label=label_to_wire(info.label),
    )


def info_from_wire(message: pb.AnswerInfo) -> Info:
    """How an answer was made."""
    timings = message.timings
    return Info(
        index=message.index,
        index_version=message.index_version,
        method=message.method,
        sign=message.sign,
        scale=message.scale,
        exact=message.exact,
        recall=given(message, "recall"),
        timings=Timings(timings.queue_seconds, timings.encode_seconds, timings.search_seconds),
        curvature=message.curvature,
        damping=given(message, "damping"),
        label=LABELS.get(message.label),
        structure=message.structure,
    )


def probabilities_to_wire(values: Mapping[str, float]) -> list[pb.LabelProbability]:
    """Label probabilities, in the order of the model's outputs."""
    return [pb.LabelProbability(label=label, probability=p) for label, p in values.items()]


def probabilities_from_wire(values: Iterable[pb.LabelProbability]) -> dict[str, float]:
    """Label probabilities, in the order of the model's outputs."""
    return {value.label: value.probability for value in values}


def prediction_to_wire(prediction: Prediction | None) -> pb.Prediction | None:
    """The model's own answer."""
    if prediction is None:
        return None
    return pb.Prediction(
        predicted=prediction.predicted,
        label=prediction.label,
        loss=prediction.loss,
        probabilities=probabilities_to_wire(prediction.probabilities),
        greedy=prediction.greedy,
    )


def prediction_from_wire(message: pb.Prediction) -> Prediction:
    """The model's own answer."""
    probabilities = probabilities_from_wire(message.probabilities)
    return Prediction(message.predicted, message.label, message.loss, probabilities, message.greedy)


def prediction_of(message: Any) -> Prediction | None:
    """The prediction of a result, where it has one."""
    return prediction_from_wire(message.prediction) if message.HasField("prediction") else None


def scores_to_wire(values: Iterable[NeuronScore]) -> list[pb.NeuronScore]:
    """Neurons with scores."""
    return [pb.NeuronScore(layer=n.layer, unit=n.unit, score=n.score, instance_ids=n.instance_ids) for n in values]


def scores_from_wire(values: Iterable[pb.NeuronScore]) -> tuple[NeuronScore, ...]:
    """Neurons with scores."""
    return tuple(NeuronScore(n.layer, n.unit, n.score, tuple(n.instance_ids)) for n in values)


# ---------------------------------------------------------------- instances


def hit_to_wire(hit: InstanceHit) -> pb.InstanceHit:
    """A retrieved instance."""
    return pb.InstanceHit(
        rank=hit.rank,
        id=hit.id,
        row=hit.row,
        score=hit.score,
        fields=columns_to_wire(hit.fields),
        shared=scores_to_wire(hit.shared),
    )


def hit_from_wire(message: pb.InstanceHit, order: Sequence[str]) -> InstanceHit:
    """A retrieved instance."""
    shared = scores_from_wire(message.shared)
    return InstanceHit(message.rank, message.id, message.row, message.score, columns_from_wire(message.fields, order), shared)


def instances_result_to_wire(result: InstancesResult) -> pb.InstancesResult:
    """Hits of one query."""
    return pb.InstancesResult(
        query_id=result.query_id,
        prediction=prediction_to_wire(result.prediction),
        hits=map(hit_to_wire, result.hits),
        neurons=scores_to_wire(result.neurons),
    )


def instances_result_from_wire(message: pb.InstancesResult, order: Sequence[str]) -> InstancesResult:
    """Hits of one query."""
    hits = tuple(hit_from_wire(hit, order) for hit in message.hits)
    return InstancesResult(message.query_id, prediction_of(message), hits, scores_from_wire(message.neurons))


def attributed_instances_to_wire(answer: InstancesAnswer) -> pb.AttributeInstancesResponse:
    """IA."""
    results = map(instances_result_to_wire, answer.results)
    return pb.AttributeInstancesResponse(info=info_to_wire(answer.info), results=results)


def found_instances_to_wire(answer: InstancesAnswer) -> pb.FindInstancesByNeuronsResponse:
    """NA-Instances."""
    results = map(instances_result_to_wire, answer.results)
    return pb.FindInstancesByNeuronsResponse(info=info_to_wire(answer.info), results=results)


def instances_answer_from_wire(
    message: "pb.AttributeInstancesResponse | pb.FindInstancesByNeuronsResponse", order: Sequence[str] = ()
) -> InstancesAnswer:
    """IA and NA-Instances."""
    results = tuple(instances_result_from_wire(result, order) for result in message.results)
    return InstancesAnswer(info_from_wire(message.info), results)


# ---------------------------------------------------------------- neurons


def neurons_result_to_wire(result: NeuronsResult) -> pb.NeuronsResult:
    """Neurons of one query."""
    return pb.NeuronsResult(
        query_id=result.query_id,
        prediction=prediction_to_wire(result.prediction),
        neurons=scores_to_wire(result.neurons),
    )


def attributed_neurons_to_wire(answer: NeuronsAnswer) -> pb.AttributeNeuronsResponse:
    """NA."""
    results = map(neurons_result_to_wire, answer.results)
    return pb.AttributeNeuronsResponse(info=info_to_wire(answer.info), results=results)


def found_neurons_to_wire(answer: NeuronsAnswer) -> pb.FindNeuronsByInstancesResponse:
    """IA-Neurons."""
    results = map(neurons_result_to_wire, answer.results)
    return pb.FindNeuronsByInstancesResponse(info=info_to_wire(answer.info), results=results)


def neurons_answer_from_wire(
    message: "pb.AttributeNeuronsResponse | pb.FindNeuronsByInstancesResponse", order: Sequence[str] = ()
) -> NeuronsAnswer:
    """NA and IA-Neurons."""
    results = tuple(
        NeuronsResult(result.query_id, prediction_of(result), scores_from_wire(result.neurons)) for result in message.results
    )
    return NeuronsAnswer(info_from_wire(message.info), results)


# ---------------------------------------------------------------- predictions and signatures


def intervention_result_to_wire(result: InterventionResult) -> pb.InterventionResult:
    """Probabilities under one intervention."""
    mode: Any = MODE_CODES[result.mode]
    return pb.InterventionResult(
        name=result.name,
        mode=mode,
        predicted=result.predicted,
        probabilities=probabilities_to_wire(result.probabilities),
        neurons=neurons_to_wire(result.neurons),
        greedy=result.greedy,
    )


def intervention_result_from_wire(message: pb.InterventionResult) -> InterventionResult:
    """Probabilities under one intervention."""
    return InterventionResult(
        message.name,
        MODES[message.mode],
        message.predicted,
        probabilities_from_wire(message.probabilities),
        neurons_from_wire(message.neurons),
        message.greedy,
    )


def predict_answer_to_wire(answer: PredictAnswer) -> pb.PredictResponse:
    """Predict."""
    results = [
        pb.PredictResult(
            query_id=result.query_id,
            baseline=prediction_to_wire(result.baseline),
            interventions=map(intervention_result_to_wire, result.interventions),
        )
        for result in answer.results
    ]
    return pb.PredictResponse(info=info_to_wire(answer.info), results=results)


def predict_answer_from_wire(message: pb.PredictResponse, order: Sequence[str] = ()) -> PredictAnswer:
    """Predict."""
    results = tuple(
        PredictResult(
            result.query_id,
            prediction_from_wire(result.baseline),
            tuple(map(intervention_result_from_wire, result.interventions)),
        )
        for result in message.results
    )
    return PredictAnswer(info_from_wire(message.info), results)


def signature_answer_to_wire(answer: SignatureAnswer) -> pb.ComputeSignatureResponse:
    """ComputeSignature."""
    signatures = [
        pb.Signature(
            query_id=each.query_id,
            prediction=prediction_to_wire(each.prediction),
            gradient=vector_to_wire(each.gradient),
            neurons=scores_to_wire(each.neurons),
            hidden=vector_to_wire(each.hidden),
            activation=vector_to_wire(each.activation),
        )
        for each in answer.results
    ]
    return pb.ComputeSignatureResponse(info=info_to_wire(answer.info), signatures=signatures)


def signature_answer_from_wire(message: pb.ComputeSignatureResponse, order: Sequence[str] = ()) -> SignatureAnswer:
    """ComputeSignature."""
    results = tuple(
        Signature(
            each.query_id,
            prediction_from_wire(each.prediction),
            vector_from_wire(each.gradient),
            scores_from_wire(each.neurons),
            vector_from_wire(each.hidden),
            vector_from_wire(each.activation),
        )
        for each in message.signatures
    )
    return SignatureAnswer(info_from_wire(message.info), results)


# ---------------------------------------------------------------- the index


def instance_to_wire(instance: Instance) -> pb.Instance:
    """A training instance."""
    return pb.Instance(
        id=instance.id,
        row=instance.row,
        fields=columns_to_wire(instance.fields),
        neurons=scores_to_wire(instance.neurons),
        hidden=None if instance.hidden is None else vector_to_wire(instance.hidden),
    )


def instance_from_wire(message: pb.Instance, order: Sequence[str]) -> Instance:
    """A training instance."""
    return Instance(
        message.id,
        message.row,
        columns_from_wire(message.fields, order),
        scores_from_wire(message.neurons),
        vector_from_wire(message.hidden) if message.HasField("hidden") else None,
    )


def instances_to_wire(answer: Instances) -> pb.GetInstancesResponse:
    """GetInstances."""
    return pb.GetInstancesResponse(index_version=answer.index_version, instances=map(instance_to_wire, answer.instances))


def instances_from_wire(message: pb.GetInstancesResponse, order: Sequence[str] = ()) -> Instances:
    """GetInstances."""
    return Instances(message.index_version, tuple(instance_from_wire(each, order) for each in message.instances))


def page_to_wire(page: Page) -> pb.ListInstancesResponse:
    """ListInstances."""
    return pb.ListInstancesResponse(
        index_version=page.index_version,
        instances=map(instance_to_wire, page.instances),
        next_page_token=page.next_page_token,
        total=page.total,
    )


def page_from_wire(message: pb.ListInstancesResponse, order: Sequence[str] = ()) -> Page:
    """ListInstances."""
    instances = tuple(instance_from_wire(each, order) for each in message.instances)
    return Page(message.index_version, instances, message.next_page_token, message.total)
