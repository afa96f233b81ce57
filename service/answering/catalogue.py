"""What an index holds: its instances by id and page by page, and its description. Needs neither vectors nor a model."""

from collections.abc import Sequence
from dataclasses import asdict

from attridex.indexer.index.layout import ROW, is_reserved
from attridex.service.answering.call import Call
from attridex.service.answering.hits import instances_of
from attridex.service.errors import InvalidArgumentError
from attridex.service.reading.checks import check_fields, check_neurons, layout_of
from attridex.service.scoring.curvature import curvatures_of
from attridex.service.search.pages import PageToken, listing_digest
from attridex.service.search.planner import listing_sql
from attridex.service.storage.version import IndexVersion
from attridex.v1.answers import IndexInfo, Instance, Instances, Page
from attridex.v1.requests import GetInstancesRequest, ListInstancesRequest

PAGE_LIMIT = 1000
"""Instances of a page at most."""
AT_ONCE = 256
"""Instances that are looked up together; between these it is seen whether they are still wanted."""


def get_instances(call: Call, request: GetInstancesRequest) -> Instances:
    """Training instances by id, in the order asked; all columns where no field is named."""
    version = call.version
    check_fields(version, request.fields)
    if request.with_neurons:
        check_neurons(version)
    found: list[Instance] = []
    for start in range(0, len(request.ids), AT_ONCE):
        call.caller.checkpoint()
        rows = rows_of(version, request.ids[start : start + AT_ONCE])
        found += instances_of(version, rows, request.fields, with_neurons=request.with_neurons, with_hidden=request.with_hidden)
    return Instances(version.manifest.version, tuple(found))


def rows_of(version: IndexVersion, ids: Sequence[str]) -> list[int]:
    """Rows of instances, in the order of their ids.

    Raises:
        UnknownInstanceError: no such id, or deleted; of the first that is.
    """
    found = version.select(f"SELECT id, {ROW} FROM instances WHERE id = ANY(?)", [list(ids)])
    known = {identity: int(row) for identity, row in found if version.alive[row]}
    return [known[identity] if identity in known else version.row_of(identity) for identity in ids]


def list_instances(call: Call, request: ListInstancesRequest) -> Page:
    """A page of training instances, filtered and ordered."""
    version, number = call.version, call.version.manifest.version
    if not 1 <= request.page_size <= PAGE_LIMIT:
        raise InvalidArgumentError(f"page_size = {request.page_size}: must be 1 to {PAGE_LIMIT}", "page_size")
    check_fields(version, request.fields)
    digest = listing_digest(call.tools.name, request)
    offset = PageToken.decode(request.page_token, digest).offset if request.page_token else 0
    sql, parameters = listing_sql(version.manifest, request.where, request.order_by)
    rows = version.rows_where(sql, parameters)
    call.caller.checkpoint()
    live = rows[version.alive[rows]]
    page = live[offset : offset + request.page_size].tolist()
    end = offset + len(page)
    token = PageToken(number, end, digest).encode() if end < len(live) else ""
    return Page(number, instances_of(version, page, request.fields), token, len(live))


def describe_index(call: Call) -> IndexInfo:
    """What the index holds and can answer."""
    version, manifest = call.version, call.version.manifest
    methods = tuple(method.described(manifest) for method in call.tools.methods.values())
    return IndexInfo(
        name=call.tools.name, version=manifest.version, instances=version.live, task=manifest.task,
        labels=tuple(manifest.model.labels), columns=dict(manifest.columns),
        own_columns=tuple(name for name, _ in manifest.columns if is_reserved(name)),
        methods=tuple(method.name for method in methods if not method.missing), method_details=methods,
        curvatures=tuple(curvatures_of(manifest)), gradient_dim=manifest.gradient_dim,
        **asdict(layout_of(version)), site=manifest.config.neurons.site,
        has_model=call.tools.encoder is not None, stale=version.stale, manifest=manifest.model_dump(mode="json"),
    )  # fmt: skip
