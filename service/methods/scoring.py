"""How each IA method scores: a transform of the query, the stored vectors it meets, or a score for every row.

Letters: q queries, n rows, d stored dimensions, C checkpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.curvature.matrices import doubt
from attridex.indexer.curvature.spectrum import Filter, inverse, lissa, lissa_fits
from attridex.indexer.index.lexical import text_of
from attridex.indexer.index.vectors import Part
from attridex.indexer.randomness import uniforms
from attridex.service.encoding.encoder import Need
from attridex.service.errors import InvalidArgumentError
from attridex.service.methods import meanings as methods
from attridex.service.methods.checks import check_label
from attridex.service.methods.reader import Asked
from attridex.service.requests import LabelSource, Scoring
from attridex.service.search.approximate import structure_of
from attridex.service.storage.version import IndexVersion

Float64 = NDArray[np.float64]
LISSA_DAMPING, LISSA_SCALE, LISSA_DEPTH = 0.03, 1e4, 1000
"""LiSSA's settings where none are given: the damping and scale of Yu et al. (ACL 2024)."""
BY_ROW = ("bm25", "random")
"""Methods that score rows without stored vectors, and need no model."""
TEXT = ("record", "instance_id")


@dataclass(frozen=True)
class Settings:
    """A method with everything that it needs, checked against an index."""

    method: str
    label: LabelSource
    curvature: str = ""
    damping: float | None = None
    lissa_scale: float = LISSA_SCALE
    lissa_depth: int = LISSA_DEPTH
    seed: int = 0
    approximate: str = ""
    recall: float | None = None
    rates: tuple[float, ...] = ()

    @property
    def need(self) -> Need:
        """What has to be known of a text."""
        vectors = self.method not in (*BY_ROW, "rep-sim", "tracin")
        return Need(vectors, False, self.label, tracin=self.method == "tracin")

    @property
    def sources(self) -> tuple[str, ...]:
        """What can be asked about."""
        return (*TEXT, "vector") if self.method in ("grad-dot", "grad-cos", "influence", "lissa") else TEXT

    @property
    def meaning(self) -> methods.Meaning:
        """Sign and scale of the scores, in words."""
        found = methods.INSTANCE_METHODS[self.method]
        settings = {
            "lissa": f"; scale = {self.lissa_scale:g}, depth = {self.lissa_depth}",
            "random": f"; seed = {self.seed}",
            "tracin": f"; learning rates {', '.join(f'{rate:.3g}' for rate in self.rates)}",
        }
        return methods.Meaning(found.sign, found.scale + settings.get(self.method, ""))


def settle(version: IndexVersion, wanted: Scoring, label: LabelSource) -> Settings:
    """Check a method's settings against an index, and fill in the defaults.

    Raises:
        InvalidArgumentError: an unknown method, a setting that the method does not have, or one out of range.
        NotIndexedError: the index was built without what the method needs.
    """
    method = wanted.method
    methods.check_choice("method", method, methods.INSTANCE_METHODS)
    check_label(version, label)
    methods.check_settings(wanted)
    methods.check_indexed(version.manifest, method)
    if method in ("influence", "lissa"):
        curvature = methods.check_curvature(version.manifest, method, wanted.curvature)
    else:
        curvature = "trak" if method == "trak" else ""
    default = LISSA_DAMPING if method == "lissa" else version.spectrum(curvature).damping if curvature else None
    settings = Settings(
        method,
        label,
        curvature,
        default if wanted.damping is None else wanted.damping,
        LISSA_SCALE if wanted.lissa_scale is None else wanted.lissa_scale,
        LISSA_DEPTH if wanted.lissa_depth is None else wanted.lissa_depth,
        wanted.seed or 0,
        *structure_of(version.manifest, wanted, curvature),
        tuple(version.manifest.config.model.checkpoint_rates),
    )
    if method == "lissa" and not lissa_fits(version.spectrum(curvature), settings.damping or 0.0, settings.lissa_scale):
        least = version.spectrum(curvature).largest / (2 - (settings.damping or 0.0))
        raise InvalidArgumentError(
            f"lissa_scale = {settings.lissa_scale:g}: LiSSA diverges below {least:.3g} here (the largest eigenvalue)",
            "lissa_scale",
        )
    return settings


def space(version: IndexVersion, asked: Sequence[Asked], settings: Settings) -> tuple[list[Part], Float64]:
    """What to scan, and the queries' vectors there [q, d] ([q, C d] for TracIn)."""
    if settings.method == "rep-sim":
        hidden = [one.signature.hidden if one.signature else version.vector(version.hidden, one.row or 0) for one in asked]
        return version.hidden, unit(np.stack([np.asarray(vector, np.float64) for vector in hidden]))
    if settings.method == "tracin":
        return version.tracin, np.stack([at_checkpoints(version, one) for one in asked])
    vectors = np.stack([gradient_of(version, one) for one in asked])
    if settings.method == "grad-cos":
        return version.unit_gradients, unit(vectors)
    if settings.method == "grad-dot":
        return version.gradients, vectors
    if settings.method == "trak":
        vectors = vectors / (np.array([query_doubt(version, one) for one in asked])[:, None] * version.rows)
    return version.gradients, version.spectrum(settings.curvature).apply(vectors, spectral(settings))


def spectral(settings: Settings) -> Filter:
    """What a method makes of the curvature's eigenvalues."""
    damping = settings.damping or 0.0
    return lissa(damping, settings.lissa_scale, settings.lissa_depth) if settings.method == "lissa" else inverse(damping)


def row_scores(version: IndexVersion, one: Asked, settings: Settings) -> Float64:
    """Scores of every row [n], for methods without stored vectors."""
    if settings.method == "random":
        return uniforms(settings.seed, f"random|{one.name}", version.rows)
    fields = version.manifest.corpus.text_fields
    values = one.query.record if one.query.record is not None else version.fields([one.row or 0], fields)[0]
    if missing := [name for name in fields if values.get(name) is None]:
        raise InvalidArgumentError(f"query '{one.name}': missing column '{missing[0]}'", "queries")
    return version.lexical.scores(text_of(values, fields)).astype(np.float64)


def gradient_of(version: IndexVersion, one: Asked) -> Float64:
    """A query's vector in the stored space [d]."""
    if one.query.vector is not None:
        return one.query.vector.astype(np.float64)
    if one.signature is not None and one.signature.gradient is not None:
        return one.signature.gradient.astype(np.float64)
    return version.vector(version.gradients, one.row or 0)


def at_checkpoints(version: IndexVersion, one: Asked) -> Float64:
    """A query's gradients at the checkpoints, each times the checkpoint's learning rate [C d]."""
    made = one.signature.tracin if one.signature is not None else None
    vector = version.vector(version.tracin, one.row or 0) if made is None else made.astype(np.float64)
    rates = np.array(version.manifest.config.model.checkpoint_rates)
    return np.asarray(vector * np.repeat(rates, len(vector) // len(rates)))


def query_doubt(version: IndexVersion, one: Asked) -> float:
    """1 - p of the query's label."""
    loss = one.signature.loss if one.signature is not None else version.fields([one.row or 0], ["loss"])[0]["loss"]
    return float(doubt(np.array([loss], np.float64))[0])


def unit(vectors: Float64) -> Float64:
    """Rows [q, d] of length 1; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0))
