"""The use cases: what each query means, from the store and the encoder, on plain dataclasses."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attridex.service.answering.catalogue import Catalogue
from attridex.service.answering.combine import Weighted, scores, summed_neurons, top_neurons
from attridex.service.answering.interventions import edited_result
from attridex.service.encoding.encoder import Encoder, Need
from attridex.service.errors import ServiceError
from attridex.service.methods import meanings as methods
from attridex.service.methods.checks import check_fields, check_intervention, check_k, check_label, check_r
from attridex.service.methods.reader import Asked, Reader
from attridex.service.methods.scoring import BY_ROW, Settings, row_scores, settle, space, unit
from attridex.service.requests import (
    Answer,
    Checkpoint,
    IaNeuronsRequest,
    Info,
    InstanceHit,
    InstancesRequest,
    InstancesResult,
    Intervention,
    LabelSource,
    NaInstancesRequest,
    NeuronsRequest,
    NeuronsResult,
    PredictRequest,
    PredictResult,
    SignatureRequest,
    SignatureResult,
    Timings,
)
from attridex.service.search.approximate import approximate_top
from attridex.service.search.postings import best, dcns, kept_neurons
from attridex.service.search.scan import Hits, Scanner
from attridex.service.storage.store import Store
from attridex.service.storage.version import IndexVersion

if TYPE_CHECKING:
    pass

Float64 = NDArray[np.float64]


@contextmanager
def timed(timings: Timings) -> Iterator[None]:
    """Count the block as search time."""
    began = time.perf_counter()
    try:
        yield
    finally:
        timings.search += time.perf_counter() - began


class Attribution(Catalogue):
    """Answers queries about one index."""

    def __init__(self, store: Store, encoder: Encoder | None, name: str, *, threads: int | None = None) -> None:
        """Without an encoder only look-ups by instance id, vector and neurons are answered."""
        super().__init__(store, name, has_model=encoder is not None)
        self._encoder = encoder
        self._reader = Reader(encoder)
        self._scanner = Scanner(threads)

    def close(self) -> None:
        """Let model, threads and files go."""
        if self._encoder:
            self._encoder.close()
        self._scanner.close()
        self.store.close()

    # ------------------------------------------------------------ use cases

    def attribute_instances(self, request: InstancesRequest, checkpoint: Checkpoint) -> Answer[InstancesResult]:
        """IA: the k training instances with the highest (or lowest) score for each query."""
        timings = Timings()
        with self.store.version() as version:
            check_k(version, request.k)
            check_fields(version, request.fields)
            asked, hits, info = self._influential(version, request, timings, checkpoint)
            results = [
                InstancesResult(one.query.id, self._reader.prediction(version, one), self._hits(version, found, request.fields))
                for one, found in zip(asked, hits, strict=True)
            ]
        return Answer(info, tuple(results))

    def attribute_neurons(self, request: NeuronsRequest, checkpoint: Checkpoint) -> Answer[NeuronsResult]:
        """NA: the r kept neurons with the highest score; all kept ones for r = 0."""
        timings = Timings()
        with self.store.version() as version:
            check_r(version, request.r)
            method = methods.neuron_method(version.manifest, request.method)
            fast = method != methods.stored_neuron_method(version.manifest)
            need, sources = Need(False, True, "gold", fast=fast), ("record", "instance_id")
            asked = self._reader.ask(version, request.queries, need, timings, checkpoint, sources, sign=fast)
            results = [
                NeuronsResult(
                    one.query.id,
                    self._reader.prediction(version, one),
                    scores(version, self._neurons(version, one)[: request.r or None]),
                )
                for one in asked
            ]
            meaning, exact = methods.neuron_meaning(version.manifest, method), method == "integrated-gradients"
            info = self._info(version, method, meaning, timings, exact=exact)
        return Answer(info, tuple(results))

    def find_instances_by_neurons(self, request: NaInstancesRequest, checkpoint: Checkpoint) -> Answer[InstancesResult]:
        """NA-Instances: training instances that keep the query's neurons, or whose dense signatures are like the query's."""
        timings = Timings()
        meaning = methods.check_choice("similarity", request.similarity, methods.SIMILARITIES)
        with self.store.version() as version:
            check_k(version, request.k)
            check_r(version, request.r)
            check_fields(version, request.fields)
            sources = ("record", "instance_id", "neurons") if request.similarity == "dcns" else ("record", "instance_id")
            asked = self._reader.ask(version, request.queries, Need(False, True, "gold"), timings, checkpoint, sources)
            mask = self._planner.mask(version, request.where)
            with timed(timings):
                if request.similarity == "dcns":
                    results = [self._by_postings(version, one, request, mask, checkpoint) for one in asked]
                else:
                    results = self._by_signature(version, asked, request, mask, checkpoint)
            info = self._info(version, request.similarity, meaning, timings)
        return Answer(info, tuple(results))

    def find_neurons_by_instances(self, request: IaNeuronsRequest, checkpoint: Checkpoint) -> Answer[NeuronsResult]:
        """IA-Neurons: the neurons of the instances that an IA method finds."""
        timings = Timings()
        meaning = methods.check_choice("aggregate", request.aggregate, methods.AGGREGATES)
        with self.store.version() as version:
            meaning = methods.of_task(meaning, version.manifest.task)
            check_k(version, request.instances, "instances")
            check_r(version, request.r)
            wanted = InstancesRequest(request.queries, request.scoring, request.instances, request.where, request.label)
            methods.check_neurons(version.manifest)
            asked, hits, ia = self._influential(version, wanted, timings, checkpoint)
            combine = top_neurons if request.aggregate == "top-neuron" else summed_neurons
            results = [
                NeuronsResult(one.query.id, self._reader.prediction(version, one), combine(version, found.rows, request.r))
                for one, found in zip(asked, hits, strict=True)
            ]
            info = Info(
                ia.index_version, f"{ia.method}/{request.aggregate}", meaning.sign, meaning.scale,
                exact=ia.exact, recall=ia.recall, structure=ia.structure, timings=timings,
                curvature=ia.curvature, damping=ia.damping, label=ia.label, index=self.name,
            )  # fmt: skip
        return Answer(info, tuple(results))

    def predict(self, request: PredictRequest, checkpoint: Checkpoint) -> Answer[PredictResult]:
        """Label probabilities, plain and with neurons suppressed or kept at the read position."""
        timings = Timings()
        with self.store.version() as version:
            for intervention in request.interventions:
                check_intervention(version, intervention)
            tops = [each.method for each in request.interventions if each.neurons is None]
            need = Need(any(method != "na" for method in tops), bool(tops), "gold")
            asked = self._reader.ask(version, request.queries, need, timings, checkpoint, ("record", "instance_id"), sign=True)
            results = [self._edited(version, one, request.interventions, need, timings, checkpoint) for one in asked]
            info = self._info(version, "predict", methods.PROBABILITIES, timings)
        return Answer(info, tuple(results))

    def compute_signature(self, request: SignatureRequest, checkpoint: Checkpoint) -> Answer[SignatureResult]:
        """What the index would store for a text."""
        timings = Timings()
        with self.store.version() as version:
            label = request.label or self._label(version)
            check_label(version, label)
            need = Need(True, version.manifest.neurons, label)
            asked = self._reader.ask(version, request.queries, need, timings, checkpoint, ("record", "instance_id"), sign=True)
            results = [self._signature(version, one) for one in asked]
            info = self._info(
                version, "signature", methods.Meaning(methods.LOWERS, "stored space, not normalised"), timings, label=label
            )
        return Answer(info, tuple(results))

    # ------------------------------------------------------------ instance attribution

    def _influential(
        self, version: IndexVersion, request: InstancesRequest, timings: Timings, checkpoint: Checkpoint
    ) -> tuple[list[Asked], list[Hits], Info]:
        """The search behind IA and IA-Neurons: queries, their best rows, and how they were scored."""
        settings = settle(version, request.scoring, request.label or self._label(version))
        asked = self._reader.ask(
            version, request.queries, settings.need, timings, checkpoint, settings.sources,
            model_needed=settings.method not in BY_ROW,
        )  # fmt: skip
        mask = self._planner.mask(version, request.where)
        with timed(timings):
            recall = None
            if settings.method in BY_ROW:
                found = [self._ranked(version, one, request, settings, mask, checkpoint) for one in asked]
            else:
                found, recall = self._nearest(version, asked, request, settings, mask, checkpoint)
        info = self._info(
            version, settings.method, settings.meaning, timings,
            curvature=settings.curvature, damping=settings.damping, label=settings.label,
        )  # fmt: skip
        structure = "" if recall is None else settings.approximate
        return asked, found, replace(info, exact=recall is None, recall=recall, structure=structure)

    def _nearest(
        self,
        version: IndexVersion,
        asked: Sequence[Asked],
        request: InstancesRequest,
        settings: Settings,
        mask: NDArray[np.bool_] | None,
        checkpoint: Checkpoint,
    ) -> tuple[list[Hits], float | None]:
        """The best rows of a method that scans vectors; the recall if they were found approximately."""
        parts, vectors = space(version, asked, settings)
        if settings.approximate:
            checkpoint()
            found = approximate_top(
                version, self._scanner, settings.approximate, parts, vectors, request.k, mask,
                weighted=settings.method != "grad-cos", ascending=request.ascending,
            )  # fmt: skip
            if found is not None:
                return found, settings.recall
        return self._scanner.top(
            parts, vectors, request.k, version.ids_of, checkpoint, mask=mask, ascending=request.ascending
        ), None

    @staticmethod
    def _ranked(
        version: IndexVersion,
        one: Asked,
        request: InstancesRequest,
        settings: Settings,
        mask: NDArray[np.bool_] | None,
        checkpoint: Checkpoint,
    ) -> Hits:
        """The best rows of a method that scores every row."""
        checkpoint()
        values = row_scores(version, one, settings)
        rows = np.arange(version.rows) if mask is None else np.flatnonzero(mask)
        chosen = best(version, rows, -values[rows] if request.ascending else values[rows], request.k)
        return Hits(rows[chosen], values[rows[chosen]])

    @staticmethod
    def _hits(version: IndexVersion, found: Hits, fields: Sequence[str]) -> tuple[InstanceHit, ...]:
        ids, shown = version.ids_of(found.rows), version.fields(found.rows.tolist(), fields)
        return tuple(
            InstanceHit(rank, identity, int(row), float(score), values)
            for rank, (identity, row, score, values) in enumerate(zip(ids, found.rows, found.scores, shown, strict=True), 1)
        )

    # ------------------------------------------------------------ neurons

    def _neurons(self, version: IndexVersion, one: Asked) -> list[Weighted]:
        """Kept neurons of a query, in descending score."""
        if one.query.neurons is not None:
            units = version.manifest.model.units
            return [(layer * units + unit, 0.0) for layer, unit in dict.fromkeys(one.query.neurons)]
        if one.signature is not None:
            units = version.manifest.model.units
            return [(layer * units + unit, score) for layer, unit, score in one.signature.top(0)]
        return kept_neurons(version, one.row or 0)

    def _by_postings(
        self,
        version: IndexVersion,
        one: Asked,
        request: NaInstancesRequest,
        mask: NDArray[np.bool_] | None,
        checkpoint: Checkpoint,
    ) -> InstancesResult:
        checkpoint()
        neurons = self._neurons(version, one)[: request.r]
        found = dcns(version, [neuron for neuron, _ in neurons], request.k, mask)
        rows = np.array([row for row, _, _ in found], np.int64)
        ids, shown = version.ids_of(rows), version.fields(rows.tolist(), request.fields)
        hits = tuple(
            InstanceHit(rank, identity, row, score, values, scores(version, parts))
            for rank, ((row, score, parts), identity, values) in enumerate(zip(found, ids, shown, strict=True), 1)
        )
        return InstancesResult(one.query.id, self._reader.prediction(version, one), hits, scores(version, neurons))

    def _by_signature(
        self,
        version: IndexVersion,
        asked: Sequence[Asked],
        request: NaInstancesRequest,
        mask: NDArray[np.bool_] | None,
        checkpoint: Checkpoint,
    ) -> list[InstancesResult]:
        parts = version.activations if request.similarity == "activation" else version.attributions
        rows = [
            getattr(one.signature, request.similarity) if one.signature else version.vector(parts, one.row or 0) for one in asked
        ]
        vectors = unit(np.stack([np.asarray(row, np.float64) for row in rows]))
        found = self._scanner.top(parts, vectors, request.k, version.ids_of, checkpoint, mask=mask)
        return [
            InstancesResult(
                one.query.id,
                self._reader.prediction(version, one),
                self._hits(version, hits, request.fields),
                scores(version, self._neurons(version, one)[: request.r]),
            )
            for one, hits in zip(asked, found, strict=True)
        ]

    # ------------------------------------------------------------ interventions

    def _edited(
        self,
        version: IndexVersion,
        one: Asked,
        interventions: Sequence[Intervention],
        need: Need,
        timings: Timings,
        checkpoint: Checkpoint,
    ) -> PredictResult:
        from attridex.indexer.signing.edits import NeuronEdit

        encoder = self._reader.model()
        chosen = [self._chosen(version, one, intervention, timings, checkpoint) for intervention in interventions]
        edits = [NeuronEdit(intervention.mode, neurons) for intervention, neurons in zip(interventions, chosen, strict=True)]
        edited = encoder.edit(self._reader.rendered(version, one, need), edits, timings, checkpoint)
        results = [
            edited_result(one, intervention, neurons, edited, row)
            for row, (intervention, neurons) in enumerate(zip(interventions, chosen, strict=True), 1)
        ]
        prediction = self._reader.prediction(version, one)
        if prediction is None:
            raise ServiceError(f"query '{one.name}': no prediction")
        return PredictResult(one.query.id, prediction, tuple(results))

    def _chosen(
        self, version: IndexVersion, one: Asked, intervention: Intervention, timings: Timings, checkpoint: Checkpoint
    ) -> tuple[tuple[int, int], ...]:
        """The neurons of an intervention for one query."""
        if intervention.neurons is not None:
            return tuple(dict.fromkeys(intervention.neurons))
        if intervention.r == 0:
            return ()
        if (scoring := intervention.scoring) is None:
            return tuple((n.layer, n.unit) for n in scores(version, self._neurons(version, one)[: intervention.r]))
        # Instances repeat each other's best neurons, so take more of them until r distinct ones are found.
        wanted = min(version.live, max(10, intervention.r))
        while True:
            request = InstancesRequest((one.query,), scoring, k=wanted)
            _, hits, _ = self._influential(version, request, timings, checkpoint)
            found = top_neurons(version, hits[0].rows, intervention.r)
            if len(found) == intervention.r or wanted == version.live:
                return tuple((n.layer, n.unit) for n in found)
            wanted = min(version.live, wanted * 4)

    def _signature(self, version: IndexVersion, one: Asked) -> SignatureResult:
        signature, prediction = one.signature, self._reader.prediction(version, one)
        if signature is None or signature.gradient is None or prediction is None:
            raise ServiceError(f"query '{one.name}': no signature")
        empty = np.zeros(0, np.float32)
        neurons = scores(version, self._neurons(version, one)) if signature.scores is not None else ()
        activation = signature.activation if signature.activation is not None else empty
        return SignatureResult(one.query.id, prediction, signature.gradient, neurons, signature.hidden, activation)

    @staticmethod
    def _label(version: IndexVersion) -> LabelSource:
        return "predicted" if version.manifest.label == "predicted" else "gold"

    def _info(
        self,
        version: IndexVersion,
        method: str,
        meaning: methods.Meaning,
        timings: Timings,
        *,
        curvature: str = "",
        damping: float | None = None,
        label: LabelSource | None = None,
        exact: bool = True,
    ) -> Info:
        meaning = methods.of_task(meaning, version.manifest.task)
        return Info(
            version.manifest.version, method, meaning.sign, meaning.scale, exact,
            timings=timings, curvature=curvature, damping=damping, label=label, index=self.name,
        )  # fmt: skip
