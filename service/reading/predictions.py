"""The model's own answer to a query: from the signature, or as the index stored it."""

from typing import TYPE_CHECKING

from attridex.service.reading.asked import Asked
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Prediction

if TYPE_CHECKING:
    from attridex.indexer.signing.signature import Signature


def prediction_of(version: IndexVersion, one: Asked) -> Prediction | None:
    """The model's own answer; None where the query is no text, or was not signed."""
    if one.signature is not None:
        return signed_prediction(one.signature)
    return None if one.row is None else stored_prediction(version, one.row)


def signed_prediction(signature: "Signature") -> Prediction:
    """What a signature says of the model's answer; a language model's label is its target."""
    s = signature
    probabilities = dict(zip(s.outputs, map(float, s.probabilities), strict=True))
    return Prediction(s.said or "", s.label, float(s.loss), probabilities, s.greedy or "")


def stored_prediction(version: IndexVersion, row: int) -> Prediction:
    """What the index stored of the model's answer to a training instance."""
    values = version.fields([row], ("predicted", "label", "loss"))[0]
    found = version.select("SELECT label, probability FROM predictions WHERE row = ? ORDER BY output", [row])
    label = values["label"] if version.manifest.label == "gold" else values["predicted"]
    probabilities = {str(name): float(p) for name, p in found}
    return Prediction(values["predicted"] or "", label or "", values["loss"], probabilities)
