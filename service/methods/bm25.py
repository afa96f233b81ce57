"""BM25 (Robertson and Zaragoza, 2009), in Lucene's form: the lexical baseline."""

import numpy as np

from attridex.indexer.index.lexical import text_of
from attridex.indexer.index.records import OF_WORDS
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
    taken_of_all = (OF_WORDS,)

    def row_scores(self, version: IndexVersion, one: Asked, values: Values) -> Float64:
        """Of the query's text fields with those of each instance."""
        corpus, source = version.manifest.corpus, one.query.source
        if isinstance(source, RecordSource):
            fields, record = corpus.shown_columns, record_of(version, source.values, one.name)
        else:
            fields, record = corpus.text_fields, version.fields([one.stored_row], corpus.text_fields)[0]
        if missing := [name for name in fields if record.get(name) is None]:
            raise InvalidArgumentError(f"query '{one.name}': missing column '{missing[0]}'", "queries")
        return version.lexical.scores(text_of(record, fields)).astype(np.float64)


METHOD = Bm25()
