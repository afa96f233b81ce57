"""What an index holds: its instances by id and page by page, and its description."""

import json
from collections.abc import Sequence

import numpy as np

from attridex.service.answering.combine import instances
from attridex.service.errors import InvalidArgumentError
from attridex.service.methods import meanings as methods
from attridex.service.methods.checks import check_fields
from attridex.service.requests import Checkpoint, IndexDescription, Instance, ListRequest, Page
from attridex.service.search.planner import PageToken, Planner, listing_sql
from attridex.service.storage.store import Store

PAGE_LIMIT = 1000
"""Instances of a page at most."""


class Catalogue:
    """Look-ups that need neither vectors nor a model.

    Attributes:
        store: the index, whose version may be swapped between requests.
        name: the index's name on the wire.
    """

    def __init__(self, store: Store, name: str, *, has_model: bool) -> None:
        """`has_model` is what the description says."""
        self.store = store
        self.name = name
        self._has_model = has_model
        self._planner = Planner()

    @property
    def live(self) -> int:
        """Instances that answers can hold."""
        with self.store.version() as version:
            return version.live

    def get_instances(
        self, ids: Sequence[str], fields: Sequence[str], with_neurons: bool, with_hidden: bool, checkpoint: Checkpoint
    ) -> tuple[str, tuple[Instance, ...]]:
        """Training instances by id, in the order asked; all columns where no field is named."""
        with self.store.version() as version:
            check_fields(version, fields)
            if with_neurons:
                methods.check_neurons(version.manifest)
            rows = [version.row_of(identity) for identity in ids]
            checkpoint()
            return version.manifest.version, instances(version, rows, fields, with_neurons=with_neurons, with_hidden=with_hidden)

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
            return Page(number, instances(version, page, request.fields), token, len(live))

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
                curvatures=tuple(methods.curvatures_of(manifest)),
                gradient_dim=manifest.gradient_dim,
                layers=manifest.model.layers,
                units=manifest.model.units,
                site=manifest.config.neurons.site,
                has_model=self._has_model,
                manifest=json.dumps(manifest.model_dump(mode="json")),
            )

    def matching_rows(self, condition: ListRequest) -> list[int]:
        """Rows that a condition holds for, for deletion."""
        with self.store.version() as version:
            mask = self._planner.mask(version, condition.where)
            return [] if mask is None else [int(row) for row in np.flatnonzero(mask)]
