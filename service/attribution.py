"""The use cases: what each query means, from the store and the encoder, on plain dataclasses."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attridex.service import methods
from attridex.service.checks import (
    check_damping,
    check_fields,
    check_intervention,
    check_k,
    check_neuron_ids,
    check_r,
    check_vector,
)
from attridex.service.combine import Weighted, instances, scores, summed_neurons, top_neurons
from attridex.service.damping import damped, unit
from attridex.service.encoder import Encoder, Need
from attridex.service.errors import InvalidArgumentError, ModelRequiredError, ServiceError
from attridex.service.planner import PageToken, Planner, listing_sql
from attridex.service.postings import dcns, kept_neurons
from attridex.service.requests import (
    Answer,
    Checkpoint,
    IaNeuronsRequest,
    IndexDescription,
    Info,
    Instance,
    InstanceHit,
    InstancesRequest,
    InstancesResult,
    Intervention,
    InterventionResult,
    LabelSource,
    ListRequest,
    NaInstancesRequest,
    NeuronsRequest,
    NeuronsResult,
    Page,
    Prediction,
    PredictRequest,
    PredictResult,
    Query,
    SignatureRequest,
    SignatureResult,
    Timings,
)
from attridex.service.scan import Hits, Part, Scanner
from attridex.service.store import IndexVersion, Store

if TYPE_CHECKING:
    from attridex.indexer.signatures import Signature
    from attridex.indexer.tasks import Instance as Rendered

Float64 = NDArray[np.float64]
PAGE_LIMIT = 1000


@dataclass(frozen=True)
class Asked:
    """A query made ready: its signature where it is a text, its row where it is a training instance."""

    query: Query
    name: str
    row: int | None = None
    signature: "Signature | None" = None


@contextmanager
def timed(timings: Timings) -> Iterator[None]:
    """Count the block as search time."""
    began = time.perf_counter()
    try:
        yield
    finally:
        timings.search += time.perf_counter() - began


def gradient_of(version: IndexVersion, one: Asked) -> Float64:
    """A query's vector in the stored space [d]."""
    if one.query.vector is not None:
        return one.query.vector.astype(np.float64)
    if one.signature is not None and one.signature.gradient is not None:
        return one.signature.gradient.astype(np.float64)
    return version.vector(version.gradients, one.row or 0)


def intervention_name(intervention: Intervention) -> str:
    """A name for an intervention that has none."""
    if intervention.neurons is None:
        return f"{intervention.mode} {intervention.method}:{intervention.r}"
    return f"{intervention.mode} {','.join(f'{layer}-{unit_number}' for layer, unit_number in intervention.neurons)}"


class Attribution:
    """Answers queries about one index.

    Attributes:
        store: the index, whose version may be swapped between requests.
        name: the index's name on the wire.
    """

    def __init__(self, store: Store, encoder: Encoder | None, name: str, *, threads: int | None = None) -> None:
        """Without an encoder only look-ups by instance id, vector and neurons are answered."""
        self.store = store
        self.name = name
        self._encoder = encoder
        self._scanner = Scanner(threads)
        self._planner = Planner()

    def close(self) -> None:
        """Let model, threads and files go."""
        if self._encoder:
            self._encoder.close()
        self._scanner.close()
        self.store.close()

    @property
    def live(self) -> int:
        """Instances that answers can hold."""
        with self.store.version() as version:
            return version.live

    # ------------------------------------------------------------ use cases

    def attribute_instances(self, request: InstancesRequest, checkpoint: Checkpoint) -> Answer[InstancesResult]:
        """IA: the k training instances with the highest (or lowest) score for each query."""
        timings = Timings()
        with self.store.version() as version:
            check_k(version, request.k)
            check_fields(version, request.fields)
            asked, hits, info = self._influential(version, request, timings, checkpoint)
            results = [
                InstancesResult(one.query.id, self._prediction(version, one), self._hits(version, found, request.fields))
                for one, found in zip(asked, hits, strict=True)
            ]
        return Answer(info, tuple(results))

    def attribute_neurons(self, request: NeuronsRequest, checkpoint: Checkpoint) -> Answer[NeuronsResult]:
        """NA: the r kept neurons with the highest score; all kept ones for r = 0."""
        timings = Timings()
        with self.store.version() as version:
            check_r(version, request.r)
            asked = self._ask(version, request.queries, Need(False, True, "gold"), timings, checkpoint, ("record", "instance_id"))
            results = [
                NeuronsResult(
                    one.query.id,
                    self._prediction(version, one),
                    scores(version, self._neurons(version, one)[: request.r or None]),
                )
                for one in asked
            ]
            info = self._info(version, "integrated-gradients", methods.NEURON_SCORES, timings)
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
            asked = self._ask(version, request.queries, Need(False, True, "gold"), timings, checkpoint, sources)
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
            check_k(version, request.instances, "instances")
            check_r(version, request.r)
            wanted = InstancesRequest(
                request.queries,
                request.method,
                request.curvature,
                request.damping,
                request.instances,
                request.where,
                request.label,
            )
            methods.check_neurons(version.manifest)
            asked, hits, ia = self._influential(version, wanted, timings, checkpoint)
            combine = top_neurons if request.aggregate == "top-neuron" else summed_neurons
            results = [
                NeuronsResult(one.query.id, self._prediction(version, one), combine(version, found.rows, request.r))
                for one, found in zip(asked, hits, strict=True)
            ]
            info = Info(
                ia.index_version, f"{ia.method}/{request.aggregate}", meaning.sign, meaning.scale,
                timings=timings, curvature=ia.curvature, damping=ia.damping, label=ia.label, index=self.name,
            )  # fmt: skip
        return Answer(info, tuple(results))

    def predict(self, request: PredictRequest, checkpoint: Checkpoint) -> Answer[PredictResult]:
        """Label probabilities, plain and with neurons suppressed or kept at the read position."""
        timings = Timings()
        with self.store.version() as version:
            for intervention in request.interventions:
                check_intervention(version, intervention)
            need = (
                Need(True, True, "gold") if any(i.neurons is None for i in request.interventions) else Need(False, False, "gold")
            )
            asked = self._ask(version, request.queries, need, timings, checkpoint, ("record", "instance_id"), sign=True)
            results = [self._edited(version, one, request.interventions, timings, checkpoint) for one in asked]
            info = self._info(version, "predict", methods.PROBABILITIES, timings)
        return Answer(info, tuple(results))

    def compute_signature(self, request: SignatureRequest, checkpoint: Checkpoint) -> Answer[SignatureResult]:
        """What the index would store for a text."""
        timings = Timings()
        with self.store.version() as version:
            label = request.label or self._label(version)
            need = Need(True, version.manifest.neurons, label)
            asked = self._ask(version, request.queries, need, timings, checkpoint, ("record", "instance_id"), sign=True)
            results = [self._signature(version, one) for one in asked]
            info = self._info(
                version, "signature", methods.Meaning(methods.LOWERS, "stored space, not normalised"), timings, label=label
            )
        return Answer(info, tuple(results))

    def get_instances(
        self, ids: Sequence[str], fields: Sequence[str], with_neurons: bool, checkpoint: Checkpoint
    ) -> tuple[str, tuple[Instance, ...]]:
        """Training instances by id, in the order asked; all columns where no field is named."""
        with self.store.version() as version:
            check_fields(version, fields)
            if with_neurons:
                methods.check_neurons(version.manifest)
            rows = [version.row_of(identity) for identity in ids]
            checkpoint()
            return version.manifest.version, instances(version, rows, fields, with_neurons)

    def list_instances(self, request: ListRequest, checkpoint: Checkpoint) -> Page:
        """A page of training instances, filtered and ordered."""
        if not 1 <= request.page_size <= PAGE_LIMIT:
            raise InvalidArgumentError(f"page_size = {request.page_size}: must be 1 to {PAGE_LIMIT}", "page_size")
        with self.store.version() as version:
            check_fields(version, request.fields)
            number = version.manifest.version
            offset = PageToken.decode(request.page_token, number).offset if request.page_token else 0
            where, parameters, order = listing_sql(version.manifest, request.where, request.order_by)
            rows = [row for (row,) in version.select(f"SELECT row FROM instances WHERE {where} ORDER BY {order}", parameters)]
            checkpoint()
            live = [row for row in rows if version.alive[row]]
            page = live[offset : offset + request.page_size]
            end = offset + len(page)
            token = PageToken(number, end).encode() if end < len(live) else ""
            return Page(number, instances(version, page, request.fields, False), token, len(live))

    def describe(self) -> IndexDescription:
        """What the index holds and can answer."""
        with self.store.version() as version:
            manifest = version.manifest
            return IndexDescription(
                name=self.name,
                version=manifest.version,
                instances=version.live,
                task=manifest.task,
                labels=tuple(manifest.model.labels),
                columns=tuple(manifest.columns),
                methods=tuple(methods.methods_of(manifest)),
                curvatures=tuple(manifest.curvatures),
                gradient_dim=manifest.gradient_dim,
                layers=manifest.model.layers,
                units=manifest.model.units,
                site=manifest.config["neurons"]["site"],
                has_model=self._encoder is not None,
                manifest=json.dumps(manifest.model_dump(mode="json")),
            )

    def matching_rows(self, condition: ListRequest) -> list[int]:
        """Rows that a condition holds for, for deletion."""
        with self.store.version() as version:
            mask = self._planner.mask(version, condition.where)
            return [] if mask is None else [int(row) for row in np.flatnonzero(mask)]

    # ------------------------------------------------------------ instance attribution

    def _influential(
        self, version: IndexVersion, request: InstancesRequest, timings: Timings, checkpoint: Checkpoint
    ) -> tuple[list[Asked], list[Hits], Info]:
        """The scan behind IA and IA-Neurons: queries, their best rows, and how they were scored."""
        meaning = methods.check_choice("method", request.method, methods.INSTANCE_METHODS)
        curvature, damping = "", None
        if request.method == "influence":
            curvature = methods.check_curvature(version.manifest, request.curvature)
            damping = check_damping(version, curvature, request.damping)
        label = request.label or self._label(version)
        sources = ("record", "instance_id") if request.method == "rep-sim" else ("record", "instance_id", "vector")
        asked = self._ask(version, request.queries, Need(request.method != "rep-sim", False, label), timings, checkpoint, sources)
        mask = self._planner.mask(version, request.where)
        with timed(timings):
            parts, vectors = self._scan_space(version, request.method, asked)
            if request.method == "influence":
                vectors = damped(version, vectors, curvature, damping or 0.0)
            found = self._scanner.top(
                parts, vectors, request.k, version.ids_of, checkpoint, mask=mask, ascending=request.ascending
            )
        info = self._info(version, request.method, meaning, timings, curvature=curvature, damping=damping, label=label)
        return asked, found, info

    @staticmethod
    def _scan_space(version: IndexVersion, method: str, asked: Sequence[Asked]) -> tuple[list[Part], Float64]:
        """What to scan, and the queries' vectors there [q, d]."""
        if method == "rep-sim":
            hidden = [one.signature.hidden if one.signature else version.vector(version.hidden, one.row or 0) for one in asked]
            return version.hidden, unit(np.stack([np.asarray(vector, np.float64) for vector in hidden]))
        vectors = np.stack([gradient_of(version, one) for one in asked])
        return (version.unit_gradients, unit(vectors)) if method == "grad-cos" else (version.gradients, vectors)

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
        return InstancesResult(one.query.id, self._prediction(version, one), hits, scores(version, neurons))

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
                self._prediction(version, one),
                self._hits(version, hits, request.fields),
                scores(version, self._neurons(version, one)[: request.r]),
            )
            for one, hits in zip(asked, found, strict=True)
        ]

    # ------------------------------------------------------------ interventions

    def _edited(
        self, version: IndexVersion, one: Asked, interventions: Sequence[Intervention], timings: Timings, checkpoint: Checkpoint
    ) -> PredictResult:
        from attridex.indexer.signatures import Edit

        encoder = self._model()
        chosen = [self._chosen(version, one, intervention, timings, checkpoint) for intervention in interventions]
        edits = [Edit(intervention.mode, neurons) for intervention, neurons in zip(interventions, chosen, strict=True)]
        rows = encoder.edit(self._rendered(version, one), edits, timings, checkpoint)[1:]
        labels = version.manifest.model.labels
        results = [
            InterventionResult(
                intervention.name or intervention_name(intervention),
                intervention.mode,
                labels[int(np.argmax(p))],
                tuple(zip(labels, map(float, p), strict=True)),
                neurons,
            )
            for intervention, neurons, p in zip(interventions, chosen, rows, strict=True)
        ]
        prediction = self._prediction(version, one)
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
        if intervention.method == "na":
            return tuple((n.layer, n.unit) for n in scores(version, self._neurons(version, one)[: intervention.r]))
        method = intervention.method.removeprefix("ia:")
        # Instances repeat each other's best neurons, so take more of them until r distinct ones are found.
        wanted = min(version.live, max(10, intervention.r))
        while True:
            request = InstancesRequest((one.query,), method=method, k=wanted)
            _, hits, _ = self._influential(version, request, timings, checkpoint)
            found = top_neurons(version, hits[0].rows, intervention.r)
            if len(found) == intervention.r or wanted == version.live:
                return tuple((n.layer, n.unit) for n in found)
            wanted = min(version.live, wanted * 4)

    def _signature(self, version: IndexVersion, one: Asked) -> SignatureResult:
        signature, prediction = one.signature, self._prediction(version, one)
        if signature is None or signature.gradient is None or prediction is None:
            raise ServiceError(f"query '{one.name}': no signature")
        empty = np.zeros(0, np.float32)
        neurons = scores(version, self._neurons(version, one)) if signature.scores is not None else ()
        activation = signature.activation if signature.activation is not None else empty
        return SignatureResult(one.query.id, prediction, signature.gradient, neurons, signature.hidden, activation)

    # ------------------------------------------------------------ queries

    def _ask(
        self,
        version: IndexVersion,
        queries: Sequence[Query],
        need: Need,
        timings: Timings,
        checkpoint: Checkpoint,
        sources: Sequence[str],
        *,
        sign: bool = False,
    ) -> list[Asked]:
        """Check all queries, then sign the texts among them together (with `sign` the training instances too)."""
        if not queries:
            raise InvalidArgumentError("queries: none given", "queries")
        if need.neurons:
            methods.check_neurons(version.manifest)
        asked = [self._check(version, query, number, sources) for number, query in enumerate(queries)]
        texts = [at for at, one in enumerate(asked) if one.query.record is not None or sign]
        if texts:
            rendered = [self._rendered(version, asked[at]) for at in texts]
            for at, signature in zip(texts, self._model().sign(rendered, need, timings, checkpoint), strict=True):
                one = asked[at]
                if not np.isfinite(signature.loss):
                    raise InvalidArgumentError(f"query '{one.name}': the model's loss is not finite", "queries")
                asked[at] = Asked(one.query, one.name, one.row, signature)
        return asked

    def _check(self, version: IndexVersion, query: Query, number: int, sources: Sequence[str]) -> Asked:
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
        if query.record is not None:
            self._model()
        if query.vector is not None:
            check_vector(version, query.vector, name)
        if query.neurons is not None:
            methods.check_neurons(version.manifest)
            check_neuron_ids(version, query.neurons, name)
        return Asked(query, name, None if query.instance_id is None else version.row_of(query.instance_id))

    def _rendered(self, version: IndexVersion, one: Asked) -> "Rendered":
        if one.query.record is not None:
            return self._model().render(one.query.record, f"query '{one.name}'")
        corpus = version.manifest.config["corpus"]
        names = [*version.manifest.corpus["text_fields"], "label"]
        values = version.fields([one.row or 0], names)[0]
        return self._model().render({**values, corpus["label"]: values["label"]}, f"instance '{one.name}'")

    def _model(self) -> Encoder:
        if self._encoder is None:
            raise ModelRequiredError(
                "this needs the model, and the server runs without one (--no-model); ask by instance id, vector or neurons"
            )
        return self._encoder

    def _prediction(self, version: IndexVersion, one: Asked) -> Prediction | None:
        """The model's own answer: from the signature, or as the index stored it."""
        labels = version.manifest.model.labels
        if one.signature is not None:
            s = one.signature
            return Prediction(
                labels[s.predicted], labels[s.label], float(s.loss), tuple(zip(labels, map(float, s.probabilities), strict=True))
            )
        if one.row is None:
            return None
        values = version.fields([one.row], ("predicted", "label", "loss"))[0]
        found = dict(version.select("SELECT label, probability FROM predictions WHERE row = ?", [one.row]))
        label = values["label"] if version.manifest.label == "gold" else values["predicted"]
        return Prediction(values["predicted"], label or "", values["loss"], tuple((name, float(found[name])) for name in labels))

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
    ) -> Info:
        return Info(
            version.manifest.version, method, meaning.sign, meaning.scale,
            timings=timings, curvature=curvature, damping=damping, label=label, index=self.name,
        )  # fmt: skip
