"""What each method's scores mean, said the same way everywhere, and what an index offers."""

from dataclasses import dataclass

from attridex.indexer.errors import nearest
from attridex.indexer.layout import Manifest
from attridex.service.errors import InvalidArgumentError, NotIndexedError


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
    "rep-sim": Meaning("higher = the states that the head reads are more alike", "cosine of the states, from -1 to 1"),
}
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
NEURON_SCORES = Meaning(
    "higher = the neuron raises the probability of the predicted label more",
    "integrated gradients of P(predicted label), zero baseline; a share of a probability",
)
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
    return [name for name in INSTANCE_METHODS if name != "influence" or manifest.curvatures]


def check_curvature(manifest: Manifest, curvature: str) -> str:
    """The curvature to use; the only one where none is named.

    Raises:
        NotIndexedError: the index has none.
        InvalidArgumentError: it has several and none is named, or not the named one.
    """
    if not manifest.curvatures:
        raise NotIndexedError(
            'method "influence": the index was built without curvature; build with gradients.curvature = ["fisher"]', "method"
        )
    if not curvature and len(manifest.curvatures) == 1:
        return manifest.curvatures[0]
    if curvature not in manifest.curvatures:
        raise InvalidArgumentError(
            f"curvature: '{curvature}' is not in this index; it has {', '.join(manifest.curvatures)}", "curvature"
        )
    return curvature


def check_neurons(manifest: Manifest) -> None:
    """Refuse a neuron query to an index without neurons."""
    if not manifest.neurons:
        raise NotIndexedError("the index was built without neurons; build with neurons.enabled = true")
