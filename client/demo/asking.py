"""The demo's questions: what misleads the model, what stands behind single answers, and where flipped labels are."""

import random
from collections.abc import Iterator, Sequence

from attridex.client.client import Client
from attridex.client.demo.findings import DemoFindings, EditedProbability, Evidence, Found, detect, mean
from attridex.client.errors import ClientError
from attridex.client.records import Record, in_batches
from attridex.client.workbench.statistics import disagreement
from attridex.v1.answers import InstancesResult, NeuronScore
from attridex.v1.requests import Intervention, Query

FIELDS = ("premise", "hypothesis", "label", "overlap", "flipped")
K, SHOWN = 10, 3
BATCH = 100
"""Queries of one request; of the misleading pairs no more are asked about."""


def ask_all(client: Client, train: Sequence[Record], challenge: Sequence[Record], seed: int) -> DemoFindings:
    """Ask all kinds of queries about the challenge pairs that the model gets wrong, and look for flipped labels.

    Args:
        client: whom to ask.
        train: the training pairs.
        challenge: pairs whose overlap misleads.
        seed: of the scores by chance that others are held against.

    Raises:
        ClientError: the model gets every challenge pair right.
    """
    wrong = misleading(client, challenge)
    if not wrong:
        raise ClientError("the model gets every challenge pair right: no evidence to show; try another --seed")
    asked = wrong[:BATCH]
    ia = client.attribute_instances(asked, method="grad-cos", label="predicted", k=K, fields=FIELDS).results
    na = client.find_instances_by_neurons(asked, k=K, fields=FIELDS).results
    suspicion, chance = self_influence(client, train), random.Random(seed)
    found = [disagreement(row["label"], labels) for row, labels in zip(train, neighbours(client, train), strict=True)]
    flipped = tuple(bool(row["flipped"]) for row in train)
    signals = {"IA self-influence": suspicion, "NA-Instances": found, "random": [chance.random() for _ in train]}
    return DemoFindings(
        wrong=len(wrong), challenge=len(challenge), suspicion=suspicion, flipped=flipped,
        detection={name: detect(scores, flipped) for name, scores in signals.items()},
        overlaps={"whole corpus": mean([row["overlap"] for row in train]), "IA": overlap_of(ia), "NA-Instances": overlap_of(na)},
        queries=tuple(evidence_of(client, *each) for each in zip(asked[:SHOWN], ia, na, strict=False)),
    )  # fmt: skip


def misleading(client: Client, challenge: Sequence[Record]) -> list[Record]:
    """The pairs that the model gets wrong."""
    predictions = [result for rows in in_batches(challenge, BATCH) for result in client.predict(rows).results]
    return [row for row, result in zip(challenge, predictions, strict=True) if result.baseline.predicted != row["label"]]


def self_influence(client: Client, train: Sequence[Record]) -> tuple[float, ...]:
    """Squared norm of each training instance's gradient."""
    norms = {instance.id: instance.fields["gradient_norm"] for instance in client.list_instances(fields=["gradient_norm"])}
    return tuple(norms[row["id"]] ** 2 for row in train)


def neighbours(client: Client, train: Sequence[Record]) -> Iterator[list[str]]:
    """Labels of the instances that share each training instance's neurons."""
    for rows in in_batches(train, BATCH):
        queries = [Query.instance(row["id"]) for row in rows]
        for result in client.find_instances_by_neurons(queries, k=K + 1, fields=["label"]).results:
            yield [hit.fields["label"] for hit in result.hits if hit.id != result.query_id]


def overlap_of(results: Sequence[InstancesResult]) -> float:
    """Mean overlap of what was retrieved."""
    return mean([hit.fields["overlap"] for result in results for hit in result.hits])


def evidence_of(client: Client, row: Record, ia: InstancesResult, na: InstancesResult) -> Evidence:
    """What stands behind one answer, by every kind of query.

    Args:
        client: whom to ask.
        row: the pair.
        ia: what was found by gradients.
        na: what was found by neurons.
    """
    neurons = client.attribute_neurons([row], r=5).results[0].neurons
    through = client.find_neurons_by_instances([row], method="grad-cos", label="predicted", r=5).results[0].neurons
    edits = [Intervention("suppress", r=5), Intervention("keep", r=1), Intervention("suppress", [n.neuron for n in through])]
    words = (
        f"top 5 neurons suppressed (NA: {neuron_names(neurons)})",
        "all but the top neuron suppressed",
        f"neurons of the influential instances suppressed (IA-Neurons: {neuron_names(through)})",
    )
    answer = client.predict([row], interventions=edits).results[0]
    label = answer.baseline.predicted
    plain = answer.baseline.probabilities[label]
    edited = [EditedProbability(name, each.probabilities[label]) for name, each in zip(words, answer.interventions, strict=True)]
    return Evidence(
        **{key: row[key] for key in ("premise", "hypothesis", "label", "subcase")},
        predicted=label,
        probability=plain,
        found=(
            Found("Training instances by gradients (IA, cosine)", ia.hits[:5]),
            Found("Training instances by neurons (NA-Instances, DCNS)", na.hits[:5]),
        ),
        edits=(EditedProbability("unedited", plain), *edited),
    )


def neuron_names(neurons: Sequence[NeuronScore]) -> str:
    """Neurons as layer-unit."""
    return ", ".join(each.neuron.name for each in neurons)
