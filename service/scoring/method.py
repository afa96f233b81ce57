"""What an IA method is: one object that says what it means and needs, and how it scores.

Letters: q queries, n rows, d stored dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.index.records import Manifest
from attridex.service.encoding.need import Need
from attridex.service.meaning import Meaning
from attridex.service.reading.asked import Asked
from attridex.service.reading.reader import TEXT
from attridex.service.scoring.settings import Values
from attridex.service.storage.far import Stored
from attridex.service.storage.version import IndexVersion
from attridex.v1 import answers
from attridex.v1.answers import Setting
from attridex.v1.requests import LabelSource

Float64 = NDArray[np.float64]
TEXT_OR_VECTOR = (*TEXT, "vector")


class Space(NamedTuple):
    """Stored vectors to scan, and the queries' vectors there [q, d]: a score is norm * <query, unit vector>."""

    stored: Stored
    queries: Float64


class InstanceMethod(ABC):
    """A method of instance attribution; make one by `VectorMethod` or `RowMethod`.

    Attributes:
        name: what it is asked for by.
        summary: what it does, in a line.
        meaning: sign and scale of its scores, for every index.
        settings: what can be set.
        sources: what can be asked about: "record", "instance_id", "vector".
        structures: approximate structures that can find its hits.
        model_needed: whether a text has to be signed before it can be scored.
        compared: whether studies compare it unasked.
        baseline: whether it knows nothing of the model.
        taken_of_all: what it needs that was taken of all rows together, as `STATISTICS` names it.
    """

    name: str
    summary: str
    meaning: Meaning
    settings: tuple[Setting, ...] = ()
    sources: tuple[str, ...] = TEXT
    structures: tuple[str, ...] = ()
    model_needed = True
    compared = True
    baseline = False
    taken_of_all: tuple[str, ...] = ()

    def has(self, setting: str) -> bool:
        """Whether it can be set so."""
        return any(each.name == setting for each in self.settings)

    def missing(self, manifest: Manifest) -> str:
        """What an index would have to be built with, as it is written in a configuration; empty where it has that."""
        return ""

    def described(self, manifest: Manifest) -> answers.Method:
        """The method as an index can answer it."""
        return answers.Method(
            self.name, self.summary, self.meaning.sign, self.meaning.scale, self.settings, self.sources,
            missing=self.missing(manifest), compared=self.compared, baseline=self.baseline,
        )  # fmt: skip

    def settle(self, version: IndexVersion, values: Values) -> Values:
        """Settings made whole by what the index holds.

        Raises:
            InvalidArgumentError: this index cannot be asked so.
        """
        return values

    def need(self, label: LabelSource) -> Need:
        """What has to be known of a text; `label` is whose loss is asked about."""
        return Need(label=label)

    def said(self, version: IndexVersion, values: Values) -> Meaning:
        """Sign and scale of the scores under some settings."""
        return self.meaning

    def recall_key(self, values: Values) -> str:
        """The name under which the recall of approximate structures was measured for it."""
        return self.name


class VectorMethod(InstanceMethod):
    """A method whose scores are inner products of a query's vector with stored ones.

    Attributes:
        weighted: whether norms of stored vectors count; False for a cosine.
    """

    weighted = True

    @abstractmethod
    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """What to scan, and the queries' vectors there."""


class RowMethod(InstanceMethod):
    """A method that scores every row of the index, without stored vectors."""

    model_needed = False

    @abstractmethod
    def row_scores(self, version: IndexVersion, one: Asked, values: Values) -> Float64:
        """Scores of every row [n] for one query."""


class GradientMethod(VectorMethod):
    """A method that compares the query's gradient with the stored ones."""

    sources: tuple[str, ...] = TEXT_OR_VECTOR
    structures: tuple[str, ...] = ("rabitq", "sq8")

    def need(self, label: LabelSource) -> Need:
        """The gradient."""
        return Need(label=label, gradient=True)


Method = VectorMethod | RowMethod
"""Any method that can be asked."""


def unit(vectors: Float64) -> Float64:
    """Rows [q, d] of length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0))
