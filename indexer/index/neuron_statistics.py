"""What an index's catalog says of neurons: how often each is kept, and for which labels.

Which instances a neuron fires for is one line of SQL over the same catalog:

    SELECT instances.*, score FROM neurons JOIN instances USING (row) WHERE layer = 3 AND unit = 17 ORDER BY score DESC
"""

from contextlib import closing
from pathlib import Path
from typing import Any

from attridex.indexer.errors import InputError, nearest
from attridex.indexer.index.catalog import Catalog, CatalogRow
from attridex.indexer.index.layout import CATALOG, version_dir
from attridex.indexer.index.records import Manifest

STATISTICS = """SELECT {names}, kept, share, mean_score, max_score, mean_rank FROM neuron_statistics
WHERE layer = coalesce(?, layer){expert} ORDER BY kept DESC, neuron LIMIT ?"""
LABELS = """SELECT label FROM instances UNPIVOT (label FOR kind IN (label, predicted)) WHERE kind = ?
GROUP BY label ORDER BY count(*) DESC, label"""
SHOWN = 20
"""Labels that an error may name: targets of a language model may be all different."""
LIFTS = """SELECT {names}, s.kept, s.share, mean_score, max_score, mean_rank,
l.kept AS label_kept, l.share AS label_share, lift
FROM neuron_labels AS l JOIN (SELECT neuron, kept, share, mean_score, max_score, mean_rank FROM neuron_statistics) AS s
USING (neuron)
WHERE kind = ? AND label = ? AND s.kept >= ? AND layer = coalesce(?, layer){expert}
ORDER BY lift DESC, s.kept DESC, neuron LIMIT ?"""


def most_kept(index: Path, manifest: Manifest, *, layer: int | None, top: int, expert: int | None = None) -> list[CatalogRow]:
    """The neurons that most instances keep.

    Args:
        index: the index directory.
        manifest: of the version to look in.
        layer: only this one.
        top: how many.
        expert: only this one.

    Raises:
        InputError: the index has no neurons, or not that layer or expert.
    """
    check_part(index, manifest, layer, expert)
    return select(index, manifest, worded(STATISTICS, manifest, expert), [layer, *given(expert), top])


def most_lifted(
    index: Path,
    manifest: Manifest,
    label: str,
    *,
    kind: str,
    least: int,
    layer: int | None,
    top: int,
    expert: int | None = None,
) -> list[CatalogRow]:
    """The neurons whose share of a label's instances is largest against their share of all, one dict each.

    Args:
        index: the index directory.
        manifest: of the version to look in.
        label: name of the label.
        kind: "label" for the corpus's, "predicted" for the model's.
        least: neurons that fewer instances keep are left out: their lift is chance.
        layer: only this one.
        top: how many.
        expert: only this one.

    Raises:
        InputError: the index has no neurons, not that layer or expert, or no instance with that label.
    """
    check_part(index, manifest, layer, expert)
    found = select(index, manifest, LABELS, [kind])
    known = [row["label"] for row in found]
    if label not in known:
        what = "label" if kind == "label" else "predicted label"
        raise InputError(
            f"{index}: no instance has the {what} '{label}'; {nearest(label, known[:SHOWN]) if known else 'none has one'}"
        )
    return select(index, manifest, worded(LIFTS, manifest, expert), [kind, label, least, layer, *given(expert), top])


def worded(sql: str, manifest: Manifest, expert: int | None) -> str:
    """A query with the columns that name a neuron, one more in a mixture of experts, and the condition on the expert."""
    names = "layer, expert, unit" if manifest.model.experts else "layer, unit"
    return sql.format(names=names, expert="" if expert is None else " AND expert = ?")


def given(value: int | None) -> list[int]:
    """The parameter of a condition that may be absent."""
    return [] if value is None else [value]


def check_part(index: Path, manifest: Manifest, layer: int | None, expert: int | None) -> None:
    """Refuse an index without neurons, and a layer or an expert that the model does not have.

    Args:
        index: the index directory.
        manifest: of the version.
        layer: what is asked for, if any is.
        expert: likewise.
    """
    if not manifest.neurons:
        raise InputError(f"{index}: the index was built without neurons; build with neurons.enabled = true")
    if layer is not None and not 0 <= layer < manifest.model.layers:
        raise InputError(f"layer {layer}: the model has {manifest.model.layers}, counted from 0")
    experts = manifest.model.experts
    if expert is not None and not 0 <= expert < experts:
        raise InputError(f"expert {expert}: the model has {f'{experts}, counted from 0' if experts else 'none'}")


def select(index: Path, manifest: Manifest, sql: str, parameters: list[Any]) -> list[CatalogRow]:
    """Rows of a query to a version's catalog.

    Args:
        index: the index directory.
        manifest: of the version.
        sql: the query.
        parameters: one for each ? in it.
    """
    with closing(Catalog(version_dir(index, manifest.version) / CATALOG)) as catalog:
        return catalog.records(sql, parameters)
