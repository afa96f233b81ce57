"""What the index would store for a text."""

from dataclasses import replace

import numpy as np

from attridex.service.answering.call import Call
from attridex.service.encoding.need import Need
from attridex.service.errors import ServiceError
from attridex.service.meaning import STORED_SPACE
from attridex.service.reading.asked import Asked, as_scores, neurons_of
from attridex.service.reading.checks import check_label
from attridex.service.reading.predictions import signed_prediction
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Signature, SignatureAnswer
from attridex.v1.requests import ComputeSignatureRequest

NOTHING = np.zeros(0, np.float32)


def compute_signature(call: Call, request: ComputeSignatureRequest) -> SignatureAnswer:
    """Gradient, kept neurons, state and activations of each query."""
    label = call.label(request.label)
    check_label(call.version, label)
    need = Need(label=label, gradient=True, neurons=call.version.manifest.neurons)
    asked = call.reader.ask(request.queries, need, sign=True)
    results = tuple(signature_of(call.version, one) for one in asked)
    return SignatureAnswer(replace(call.info("signature", STORED_SPACE), label=label), results)


def signature_of(version: IndexVersion, one: Asked) -> Signature:
    """A query's signature as an answer gives it."""
    made = one.signature
    if made is None or made.gradient is None:
        raise ServiceError(f"query '{one.name}': no signature")
    neurons = as_scores(version, neurons_of(version, one)) if made.scores is not None else ()
    activation = NOTHING if made.activation is None else made.activation
    return Signature(one.query.id, signed_prediction(made), made.gradient, neurons, made.hidden, activation)
