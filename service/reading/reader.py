"""Reading queries: sources checked, texts rendered and signed together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from attridex.service.caller import Caller
from attridex.service.encoding.encoder import Encoder
from attridex.service.encoding.need import Need
from attridex.service.errors import InvalidArgumentError, ModelRequiredError
from attridex.service.reading.asked import Asked, record_of
from attridex.service.reading.checks import check_choices, check_gold, check_neuron_ids, check_neurons, check_vector
from attridex.service.storage.version import IndexVersion
from attridex.v1.requests import SOURCES, InstanceSource, NeuronsSource, Query, RecordSource, VectorSource

if TYPE_CHECKING:
    from attridex.indexer.corpus.instances import RenderedInstance

TEXT = ("record", "instance_id")
"""Sources that are texts, or stand for one."""


@dataclass(frozen=True)
class Reader:
    """Makes the queries of one request ready, with the model where they need one.

    Attributes:
        encoder: without one, a query that is a text is refused.
    """

    version: IndexVersion
    encoder: Encoder | None
    caller: Caller

    def ask(
        self,
        queries: Sequence[Query],
        need: Need,
        sources: Sequence[str] = TEXT,
        *,
        sign: bool = False,
        model_needed: bool = True,
    ) -> list[Asked]:
        """Check all queries, then sign the texts among them together.

        Args:
            queries: what is asked about.
            need: what has to be known of a text.
            sources: kinds of sources that this request can use, as `SOURCES` calls them.
            sign: whether training instances are signed too, from their stored fields.
            model_needed: where it is not, texts are signed only if the model is there.

        Raises:
            InvalidArgumentError: no query, or one with a source that this request cannot use.
            ModelRequiredError: a text, where the server runs without a model.
        """
        if not queries:
            raise InvalidArgumentError("queries: none given", "queries")
        if need.neurons:
            check_neurons(self.version)
        asked = [self._check(query, number, sources, model_needed) for number, query in enumerate(queries)]
        for one in asked:
            check_choices(self.version, one.query, one.name, neurons=need.neurons)
        if not model_needed and self.encoder is None:
            return asked
        texts = [at for at, one in enumerate(asked) if sign or one.query.output or isinstance(one.query.source, RecordSource)]
        for at, one in zip(texts, self._signed([asked[at] for at in texts], need), strict=True):
            asked[at] = one
        return asked

    def _check(self, query: Query, number: int, sources: Sequence[str], model_needed: bool) -> Asked:
        """Check one query's source; it is named by its id or position."""
        name = query.id or f"#{number}"
        if query.source is None:
            raise InvalidArgumentError(f"query '{name}': exactly one of {', '.join(SOURCES.values())} is needed", "queries")
        if query.kind not in sources:
            raise InvalidArgumentError(
                f"query '{name}': a {query.kind} cannot be asked here; give {' or '.join(sources)}", "queries"
            )
        match query.source:
            case RecordSource() if model_needed:
                self.model()
            case VectorSource(values):
                check_vector(self.version, values, name)
            case NeuronsSource(neurons):
                check_neurons(self.version)
                check_neuron_ids(self.version, neurons, f"query '{name}'")
            case InstanceSource(identity):
                return Asked(query, name, self.version.row_of(identity))
        return Asked(query, name)

    def _signed(self, texts: Sequence[Asked], need: Need) -> list[Asked]:
        """Texts with their signatures."""
        if not texts:
            return []
        made = []
        for one in texts:
            self.caller.checkpoint()
            made.append(replace(one, instance=self.rendered(one, need)))
        for output in dict.fromkeys(one.query.output for one in made):
            at = [place for place, one in enumerate(made) if one.query.output == output]
            instances = [instance for place in at if (instance := made[place].instance)]
            signatures = self.model().sign(instances, replace(need, output=output), self.caller)
            for place, signature in zip(at, signatures, strict=True):
                made[place] = replace(made[place], signature=signature)
        for one in made:
            if one.signature is not None and not np.isfinite(one.signature.loss):
                raise InvalidArgumentError(f"query '{one.name}': the model's loss is not finite", "queries")
        return made

    def rendered(self, one: Asked, need: Need) -> "RenderedInstance":
        """The query's text, rendered; of a training instance as it was encoded, or from its stored fields."""
        if isinstance(one.query.source, RecordSource):
            where = f"query '{one.name}'"
            record = record_of(self.version, one.query.source.values, one.name)
            if one.query.max_new_tokens:
                return self.model().continued(record, where, one.query.max_new_tokens, self.caller)
            made = self.model().render(record, where, label_used=need.gold)
            if need.gold:
                check_gold(self.version, made.label_name, one.name)
            return made
        manifest = self.version.manifest
        if manifest.config.corpus.keeps_encodings:
            from attridex.indexer.corpus.instances import from_encoding

            return from_encoding(self.version.encoding(one.stored_row))
        columns = dict.fromkeys([*manifest.corpus.text_fields, "id", "label"])
        return self.model().stored(self.version.fields([one.stored_row], list(columns))[0])

    def model(self) -> Encoder:
        """The model's encoder.

        Raises:
            ModelRequiredError: the server runs without one.
        """
        if self.encoder is None:
            raise ModelRequiredError(
                "this needs the model, and the server runs without one (--no-model); ask by instance id, vector or neurons"
            )
        return self.encoder
