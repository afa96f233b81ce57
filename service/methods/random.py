"""Random numbers: the baseline of chance."""

from attridex.indexer.randomness import uniforms
from attridex.service.meaning import Meaning
from attridex.service.reading.asked import Asked
from attridex.service.scoring.method import Float64, RowMethod
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Setting


class Random(RowMethod):
    """The same for the same query, seed and index size."""

    name = "random"
    summary = "a number drawn for query and training instance"
    meaning = Meaning("none: a baseline", "a number from 0 to 1 drawn for the query's id")
    settings = (Setting("seed", "seed of the draw", "count", "0", 0),)
    baseline = True

    def row_scores(self, version: IndexVersion, one: Asked, values: Values) -> Float64:
        """Draw them."""
        return uniforms(values.count("seed"), f"random|{one.name}", version.rows)

    def said(self, version: IndexVersion, values: Values) -> Meaning:
        """With the seed."""
        return self.meaning.adding(f"; seed = {values.count('seed')}")


METHOD = Random()
