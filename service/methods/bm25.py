"""BM25 (Robertson and Zaragoza, 2009), in Lucene's form: the lexical baseline."""

import numpy as np

from attridex.indexer.index.layout import shown_name
from attridex.indexer.index.lexical import text_of
from attridex.service.errors import InvalidArgumentError
from attridex.service.meaning import Meaning
from attridex.service.reading.asked import Asked, record_of
from attridex.service.scoring.method import Float64, RowMethod
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion
from attridex.v1.requests import RecordSource


class Bm25(RowMethod):
    """Shared words, with no model."""

    name = "bm25"
    summary = "words that query and training instance share, rarer ones counting more"
    meaning = Meaning(
        "higher = more of the query's words, and rarer ones, in the instance", "BM25 of the texts, k1 = 1.5, b = 0.75"
    )
    baseline = True

    def row_scores(self, version: IndexVersion, one: Asked, values: Values) -> Float64:
        """Of the query's text fields with those of each instance."""
        fields, source = version.manifest.corpus.text_fields, one.query.source
        if isinstance(source, RecordSource):
            given = record_of(version, source.values, one.name)
            record = {name: given.get(name, given.get(shown_name(name))) for name in fields}
        else:
            record = version.fields([one.stored_row], fields)[0]
        if missing := [name for name in fields if record.get(name) is None]:
            raise InvalidArgumentError(f"query '{one.name}': missing column '{missing[0]}'", "queries")
        return version.lexical.scores(text_of(record, fields)).astype(np.float64)


METHOD = Bm25()
