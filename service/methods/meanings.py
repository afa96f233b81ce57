"""What each method's scores mean, said the same way everywhere, and what an index offers."""

import math
from dataclasses import dataclass

from attridex.indexer.errors import nearest
from attridex.indexer.index.records import Manifest
from attridex.service.errors import InvalidArgumentError, NotIndexedError
from attridex.service.requests import Scoring


@dataclass(frozen=True)
class Meaning:
    """Sign and scale of a score in words."""

    sign: str
    scale: str


LOWERS = "higher = the training instance lowers the query's loss more"
INSTANCE_METHODS = {
    "grad-dot": Meaning(LOWERS, "<g_query, g_train>, inner product of loss gradients (projected where the index projects)"),
    "grad-cos": Meaning(LOWERS, "<g_query, g_train> / (|g_query| |g_train|), from -1 to 1"),
    "influence": Meaning(LOWERS, "g_query^T (H + damping I)^-1 g_train; H is the named curvature of the mean training loss"),
    "lissa": Meaning(LOWERS, "g_query^T r(H) g_train, r(H) after depth steps of LiSSA; limit (H + scale damping I)^-1"),
    "tracin": Meaning(LOWERS, "sum over checkpoints of learning rate times <g_query, g_train>"),
    "trak": Meaning(
        LOWERS,
        "(1 / n) phi_query^T (K + damping I)^-1 phi_train (1 - p_train); phi is the gradient of log p / (1 - p), "
        "K the mean of phi phi^T over n instances",
    ),
    "rep-sim": Meaning("higher = the states that the head reads are more alike", "cosine of the states, from -1 to 1"),
    "bm25": Meaning(
        "higher = more of the query's words, and rarer ones, in the instance", "BM25 of the texts, k1 = 1.5, b = 0.75"
    ),
    "random": Meaning("none: a baseline", "a number from 0 to 1 drawn for the query's id"),
}
SETTINGS = {
    "curvature": ("influence", "lissa"),
    "damping": ("influence", "lissa", "trak"),
    "lissa_scale": ("lissa",),
    "lissa_depth": ("lissa",),
    "seed": ("random",),
}
"""Methods that have a setting."""
SIMILARITIES = {
    "dcns": Meaning(
        "higher = the instance keeps more of the query's neurons, and higher up among its own",
        "sum of (2^z - 1) / log2(rank + 1) over shared neurons; z and rank are those of the neuron within the instance",
    ),
    "activation": Meaning(
        "higher = FFN activations at the read position are more alike", "cosine of FFN activations, from -1 to 1"
    ),
    "attribution": Meaning("higher = neuron scores are more alike", "cosine of neuron scores, from -1 to 1"),
}
RAISES = "higher = the neuron raises the probability of the predicted label more"
NEURON_METHODS = {
    "integrated-gradients": Meaning(
        RAISES, "integrated gradients of P(predicted label), zero baseline; a share of a probability"
    ),
    "activation-gradient": Meaning(
        RAISES, "activation times gradient of P(predicted label), one backward pass; approximates integrated gradients"
    ),
}
AGGREGATES = {
    "top-neuron": Meaning(
        "higher = the neuron raises the probability of that instance's predicted label more",
        "the neuron's own score in the first instance that gave it; instances in rank order, each gives its best neuron",
    ),
    "summed": Meaning(
        "higher = the neuron raises the predictions of the influential instances more",
        "sum of scores over instances, top 5 neurons of each",
    ),
}
PROBABILITIES = Meaning("probability of each label", "softmax over the model's outputs, 0 to 1")


TARGET = Meaning("mean probability of the target's tokens, under the model", "0 to 1, mean over the target's tokens")
"""What Predict gives for a language model."""


def of_task(meaning: Meaning, task: str) -> Meaning:
    """A meaning in a task's words: a language model's scores are of its target, not of a label."""
    if task != "causal-lm":
        return meaning
    if meaning is PROBABILITIES:
        return TARGET
    words = (
        ("P(predicted label)", "P(target), the mean probability of the target's tokens"),
        ("the probability of the predicted label", "P(target)"),
        ("the probability of that instance's predicted label", "P(target) of that instance"),
        ("the predictions of", "P(target) of"),
    )
    sign, scale = meaning.sign, meaning.scale
    for said, meant in words:
        sign, scale = sign.replace(said, meant), scale.replace(said, meant)
    return Meaning(sign, scale)


def check_choice(kind: str, name: str, known: dict[str, Meaning]) -> Meaning:
    """The meaning of a method.

    Raises:
        InvalidArgumentError: there is no such method.
    """
    if name not in known:
        raise InvalidArgumentError(f"{kind}: unknown '{name}'; {nearest(name, known)}", kind)
    return known[name]


def methods_of(manifest: Manifest) -> list[str]:
    """IA methods that an index can answer."""
    return [name for name in INSTANCE_METHODS if missing(manifest, name) is None]


def curvatures_of(manifest: Manifest) -> list[str]:
    """Curvatures that `influence` can use."""
    return [name for name in manifest.curvatures if name != "trak"]


def missing(manifest: Manifest, method: str) -> str | None:
    """What an index would have to be built with for a method; None where it has that."""
    if method in ("influence", "lissa") and not curvatures_of(manifest):
        return 'gradients.curvature = ["fisher"]'
    if method == "trak" and "trak" not in manifest.curvatures:
        return 'gradients.curvature = ["trak"]'
    if method == "tracin" and not manifest.checkpoints:
        return "model.checkpoints = [...], the directories of the training's checkpoints"
    return None


def check_indexed(manifest: Manifest, method: str) -> None:
    """Refuse a method that the index was not built for."""
    if needed := missing(manifest, method):
        raise NotIndexedError(f'method "{method}": the index was built without it; build with {needed}', "method")


def check_settings(scoring: Scoring) -> None:
    """Refuse settings that the method does not have, or that are out of range."""
    for name, having in SETTINGS.items():
        value = getattr(scoring, name)
        if value in (None, ""):
            continue
        if scoring.method not in having:
            raise InvalidArgumentError(f"{name}: method '{scoring.method}' has none; {' and '.join(having)} do", name)
        if isinstance(value, float) and not (math.isfinite(value) and value > 0):
            raise InvalidArgumentError(f"{name} = {value}: must be a positive number", name)


def check_curvature(manifest: Manifest, method: str, curvature: str) -> str:
    """The curvature to use; the only one where none is named.

    Raises:
        InvalidArgumentError: the index has several and none is named, or not the named one.
    """
    known = curvatures_of(manifest)
    if not curvature and len(known) == 1:
        return known[0]
    if not curvature:
        raise InvalidArgumentError(f"curvature: method '{method}' can use {', '.join(known)} here; name one", "curvature")
    if curvature not in known:
        raise InvalidArgumentError(f"curvature: '{curvature}' is not in this index; it has {', '.join(known)}", "curvature")
    return curvature


def stored_neuron_method(manifest: Manifest) -> str:
    """The NA method whose scores an index stores."""
    return "activation-gradient" if manifest.config.neurons.rule == "gradient" else "integrated-gradients"


def neuron_method(manifest: Manifest, name: str) -> str:
    """The NA method to use; the stored one where none is named.

    Raises:
        InvalidArgumentError: there is no such method.
        NotIndexedError: the index was built without it.
    """
    stored = stored_neuron_method(manifest)
    check_choice("method", name or stored, NEURON_METHODS)
    if name == "integrated-gradients" != stored:
        raise NotIndexedError(f'method "{name}": the index was built without it; build with neurons.rule = "riemann"', "method")
    return name or stored


def neuron_meaning(manifest: Manifest, method: str) -> Meaning:
    """What an NA method's scores mean, with how well an approximate one was found to rank in this index."""
    meaning, measured = NEURON_METHODS[method], manifest.agreement
    if method == "integrated-gradients" or not measured:
        return meaning
    return Meaning(
        meaning.sign,
        f"{meaning.scale} (measured on {measured['instances']:.0f} instances of this index: Spearman "
        f"{measured['spearman']:.2f} over all neurons, {measured['spearman_kept']:.2f} over kept ones, "
        f"{measured['top10']:.0%} of the ten best shared)",
    )


def check_neurons(manifest: Manifest) -> None:
    """Refuse a neuron query to an index without neurons."""
    if not manifest.neurons:
        raise NotIndexedError("the index was built without neurons; build with neurons.enabled = true")
