"""Influence by LiSSA's recursion (Agarwal et al., JMLR 2017), with the settings of Yu et al. (ACL 2024) as defaults."""

from attridex.indexer.curvature.spectrum import Filter, lissa, lissa_fits
from attridex.service.errors import InvalidArgumentError
from attridex.service.meaning import LOWERS, Meaning
from attridex.service.scoring.curvature import CURVATURE, CurvatureMethod, damping_setting
from attridex.service.scoring.settings import Values
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import Setting


class Lissa(CurvatureMethod):
    """The inverse as a sum of powers: exact where the recursion is long enough for the smallest eigenvalue."""

    name = "lissa"
    summary = "influence with the inverse as LiSSA's recursion leaves it"
    meaning = Meaning(LOWERS, "g_query^T r(H) g_train, r(H) after depth steps of LiSSA; limit (H + scale damping I)^-1")
    settings = (
        CURVATURE,
        damping_setting("damping of a step", "0.03"),
        Setting("lissa_scale", "what H is divided by in a step; above half of its largest eigenvalue", "number", "1e4", above=0),
        Setting("lissa_depth", "number of steps", "count", "1000", 0, 2**32 - 1),
    )
    compared = False

    def settle(self, version: IndexVersion, values: Values) -> Values:
        """Choose the curvature, and refuse a scale at which the recursion diverges."""
        values = super().settle(version, values)
        spectrum, damping = version.spectrum(values.text("curvature")), values.number("damping")
        if not lissa_fits(spectrum, damping, values.number("lissa_scale")):
            least = spectrum.largest / (2 - damping)
            raise InvalidArgumentError(
                f"lissa_scale = {values.number('lissa_scale'):g}: LiSSA diverges below {least:.3g} here (the largest eigenvalue)",
                "lissa_scale",
            )
        return values

    def change(self, values: Values) -> Filter:
        """The sum of powers."""
        return lissa(values.number("damping"), values.number("lissa_scale"), values.count("lissa_depth"))

    def said(self, version: IndexVersion, values: Values) -> Meaning:
        """With scale and depth."""
        return self.meaning.adding(f"; scale = {values.number('lissa_scale'):g}, depth = {values.count('lissa_depth')}")


METHOD = Lissa()
