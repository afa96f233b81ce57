"""The NA methods: what their scores mean, and which of them an index answers by."""

from collections.abc import Mapping

from attridex.indexer.index.records import Manifest
from attridex.service.errors import NotIndexedError
from attridex.service.meaning import Meaning, Wording
from attridex.service.reading.checks import choose

EXACT, FAST = "integrated-gradients", "activation-gradient"
LABEL = "P(predicted label)"
TARGET = "P(target), the mean probability of the target's tokens"
RAISES = "higher = the neuron raises the probability of the predicted label more"
RAISES_TARGET = "higher = the neuron raises P(target) more"
INTEGRATED = "integrated gradients of {of}, zero baseline; a share of a probability"
ONE_STEP = "activation times gradient of {of}, one backward pass; approximates integrated gradients"
NEURON_METHODS: Mapping[str, Wording] = {
    name: Wording(Meaning(RAISES, scale.format(of=LABEL)), {"causal-lm": Meaning(RAISES_TARGET, scale.format(of=TARGET))})
    for name, scale in ((EXACT, INTEGRATED), (FAST, ONE_STEP))
}


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
