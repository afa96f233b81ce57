"""Reading queries: sources checked, texts rendered and signed together, the model's own answers said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from attridex.service.encoding.encoder import Encoder, Need
from attridex.service.errors import InvalidArgumentError, ModelRequiredError
from attridex.service.methods import meanings as methods
from attridex.service.methods.checks import check_neuron_ids, check_vector
from attridex.service.requests import Checkpoint, Prediction, Query, Timings
from attridex.service.storage.version import IndexVersion

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance as Rendered
    from attridex.indexer.signing.signature import Signature


@dataclass(frozen=True)
class Asked:
    """A query made ready: its signature where it is a text, its row where it is a training instance."""

    query: Query
    name: str
    row: int | None = None
    signature: "Signature | None" = None


class Reader:
    """Makes queries ready, with the model where they need one."""

    def __init__(self, encoder: Encoder | None) -> None:
        """Without an encoder, a query that is a text is refused."""
        self._encoder = encoder

    def ask(
        self,
        version: IndexVersion,
        queries: Sequence[Query],
        need: Need,
        timings: Timings,
        checkpoint: Checkpoint,
        sources: Sequence[str],
        *,
        sign: bool = False,
        model_needed: bool = True,
    ) -> list[Asked]:
        """Check all queries, then sign the texts among them together (with `sign` the training instances too).

        Where the model is not needed, texts are signed only if it is there.
        """
        if not queries:
            raise InvalidArgumentError("queries: none given", "queries")
        if need.neurons:
            methods.check_neurons(version.manifest)
        asked = [self._check(version, query, number, sources, model_needed) for number, query in enumerate(queries)]
        if not model_needed and self._encoder is None:
            return asked
        texts = [at for at, one in enumerate(asked) if one.query.record is not None or sign]
        if texts:
            rendered = [self.rendered(version, asked[at], need) for at in texts]
            for at, signature in zip(texts, self.model().sign(rendered, need, timings, checkpoint), strict=True):
                one = asked[at]
                if not np.isfinite(signature.loss):
                    raise InvalidArgumentError(f"query '{one.name}': the model's loss is not finite", "queries")
                asked[at] = Asked(one.query, one.name, one.row, signature)
        return asked

    def _check(self, version: IndexVersion, query: Query, number: int, sources: Sequence[str], model_needed: bool) -> Asked:
        """Check one query's source.

        Raises:
            InvalidArgumentError: it has none, or one that this request cannot use; named by its id or position.
        """
        name = query.id or f"#{number}"
        given = [source for source in ("record", "instance_id", "vector", "neurons") if getattr(query, source) is not None]
        if len(given) != 1:
            raise InvalidArgumentError(
                f"query '{name}': exactly one of record, instance_id, vector, neurons is needed", "queries"
            )
        if given[0] not in sources:
            raise InvalidArgumentError(
                f"query '{name}': a {given[0]} cannot be asked here; give {' or '.join(sources)}", "queries"
            )
        if query.record is not None and model_needed:
            self.model()
        if query.vector is not None:
            check_vector(version, query.vector, name)
        if query.neurons is not None:
            methods.check_neurons(version.manifest)
            check_neuron_ids(version, query.neurons, f"query '{name}'")
        return Asked(query, name, None if query.instance_id is None else version.row_of(query.instance_id))

    def rendered(self, version: IndexVersion, one: Asked, need: Need) -> "Rendered":
        """The query's text, rendered; of a training instance from its stored fields."""
        if one.query.record is not None:
            return self.model().render(one.query.record, f"query '{one.name}'", label_used=need.gold)
        corpus = version.manifest.config.corpus
        names = [*version.manifest.corpus.text_fields, "id", "label"]
        values = version.fields([one.row or 0], names)[0]
        record = {**values, corpus.id: values["id"], corpus.label: stored_label(version, values["label"])}
        return self.model().render(record, f"instance '{one.name}'", stored=True)

    def model(self) -> Encoder:
        """The model's encoder.

        Raises:
            ModelRequiredError: the server runs without one.
        """
        if self._encoder is None:
            raise ModelRequiredError(
                "this needs the model, and the server runs without one (--no-model); ask by instance id, vector or neurons"
            )
        return self._encoder

    def prediction(self, version: IndexVersion, one: Asked) -> Prediction | None:
        """The model's own answer: from the signature, or as the index stored it."""
        if one.signature is not None:
            return signed(one.signature)
        if one.row is None:
            return None
        values = version.fields([one.row], ("predicted", "label", "loss"))[0]
        found = version.select("SELECT label, probability FROM predictions WHERE row = ? ORDER BY output", [one.row])
        label = values["label"] if version.manifest.label == "gold" else values["predicted"]
        probabilities = tuple((str(name), float(p)) for name, p in found)
        return Prediction(values["predicted"] or "", label or "", values["loss"], probabilities)


def stored_label(version: IndexVersion, label: str | None) -> str | int | None:
    """A label as a record gives it: choices are stored by number."""
    return int(label) if version.manifest.task == "multiple-choice" and label is not None else label


def signed(signature: "Signature") -> Prediction:
    """What a signature says of the model's answer; a language model's label is its target."""
    s = signature
    label = s.outputs[0] if s.label < 0 else s.outputs[s.label]
    predicted = "" if s.predicted < 0 else s.outputs[s.predicted]
    probabilities = tuple(zip(s.outputs, map(float, s.probabilities), strict=True))
    return Prediction(predicted, label, float(s.loss), probabilities, s.greedy or "")
