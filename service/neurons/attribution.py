"""The NA methods: what their scores mean, and which of them an index answers by."""

from collections.abc import Mapping

from attridex.indexer.index.records import Manifest
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.service.errors import NotIndexedError
from attridex.service.meaning import Meaning, Wording
from attridex.service.reading.checks import choose

EXACT, FAST = "integrated-gradients", "activation-gradient"
LABEL = "P(predicted label)"
TARGET = "P(target), the mean probability of the target's tokens"
RAISES = "higher = the neuron raises the probability of the predicted label more"
RAISES_TARGET = "higher = the neuron raises P(target) more"
TASKS = {
    **dict.fromkeys(LANGUAGE_TASKS, (RAISES_TARGET, TARGET)),
    "regression": ("higher = the neuron raises the number more", "the output (the first, unless one is named)"),
    "multi-label": ("higher = the neuron raises the probability of the most probable label more", "P(the most probable label)"),
    "token-classification": (RAISES, "P(predicted label), the mean over the labelled tokens, each at its own position"),
}
"""Sign of the scores and what they are of, for tasks whose answer is no label of the whole."""
INTEGRATED = "integrated gradients of {of}, zero baseline; a share of {unit}"
ONE_STEP = "activation times gradient of {of}, one backward pass; approximates integrated gradients"


def scored_by(scale: str) -> Wording:
    """The words of an NA method for every task."""
    tasks = {
        task: Meaning(sign, scale.format(of=of, unit="it" if task == "regression" else "a probability"))
        for task, (sign, of) in TASKS.items()
    }
    return Wording(Meaning(RAISES, scale.format(of=LABEL, unit="a probability")), tasks)


NEURON_METHODS: Mapping[str, Wording] = {EXACT: scored_by(INTEGRATED), FAST: scored_by(ONE_STEP)}


def stored_neuron_method(manifest: Manifest) -> str:
    """The NA method whose scores an index stores."""
    return FAST if manifest.config.neurons.rule == "gradient" else EXACT


def neuron_method(manifest: Manifest, name: str) -> str:
    """The NA method to use; the stored one where none is named.

    Raises:
        InvalidArgumentError: there is no such method.
        NotIndexedError: the index was built without it.
    """
    stored = stored_neuron_method(manifest)
    choose("method", name or stored, NEURON_METHODS)
    if name == EXACT != stored:
        raise NotIndexedError(f'method "{name}": the index was built without it; build with neurons.rule = "riemann"', "method")
    return name or stored


def neuron_meaning(manifest: Manifest, method: str) -> Meaning:
    """What an NA method's scores mean, with how well an approximate one was found to rank in this index."""
    meaning, measured = NEURON_METHODS[method].of(manifest.task), manifest.agreement
    if method == EXACT or not measured:
        return meaning
    return meaning.adding(
        f" (measured on {measured['instances']:.0f} instances of this index: Spearman "
        f"{measured['spearman']:.2f} over all neurons, {measured['spearman_kept']:.2f} over kept ones, "
        f"{measured['top10']:.0%} of the ten best shared)"
    )
