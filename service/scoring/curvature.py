"""Methods that put the curvature of the training loss between the two gradients."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from attridex.indexer.curvature.spectrum import Filter
from attridex.indexer.index.records import OF_CURVATURE, Manifest
from attridex.service.errors import InvalidArgumentError
from attridex.service.reading.asked import Asked, gradient_of
from attridex.service.scoring.method import GradientMethod, Space
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Setting

CURVATURE = Setting("curvature", "one of the index's curvatures; may be left out where it has one", "text")


def damping_setting(meaning: str, default: str = "") -> Setting:
    """The setting that all of them have; without a default it is a tenth of the curvature's mean eigenvalue."""
    return Setting("damping", meaning, "number", default, above=0)


class CurvatureMethod(GradientMethod):
    """A method that can use any of the index's curvatures."""

    taken_of_all = (OF_CURVATURE,)

    def missing(self, manifest: Manifest) -> str:
        """A curvature."""
        return "" if curvatures_of(manifest) else 'gradients.curvature = ["fisher"]'

    def settle(self, version: IndexVersion, values: Values) -> Values:
        """Choose the curvature and its damping."""
        curvature = choose_curvature(version.manifest, self.name, values.text("curvature"))
        values = Values({**values.by_name, "curvature": curvature})
        return values if values.has("damping") else values.having(damping=version.spectrum(curvature).damping)

    def recall_key(self, values: Values) -> str:
        """The curvature."""
        return values.text("curvature")

    def space(self, version: IndexVersion, asked: Sequence[Asked], values: Values) -> Space:
        """The query's gradients, changed by the curvature."""
        vectors = np.stack([gradient_of(version, one) for one in asked])
        return Space(version.gradients, version.spectrum(values.text("curvature")).apply(vectors, self.change(values)))

    @abstractmethod
    def change(self, values: Values) -> Filter:
        """What the method makes of the curvature's eigenvalues."""


def curvatures_of(manifest: Manifest) -> list[str]:
    """Curvatures that methods can use."""
    return [name for name in manifest.curvatures if name != "trak"]


def choose_curvature(manifest: Manifest, method: str, curvature: str) -> str:
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
