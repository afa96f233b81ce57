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

STATISTICS = """SELECT layer, unit, kept, share, mean_score, max_score, mean_rank FROM neuron_statistics
WHERE layer = coalesce(?, layer) ORDER BY kept DESC, neuron LIMIT ?"""
LABELS = """SELECT label FROM instances UNPIVOT (label FOR kind IN (label, predicted)) WHERE kind = ?
GROUP BY label ORDER BY count(*) DESC, label"""
SHOWN = 20
"""Labels that an error may name: targets of a language model may be all different."""
LIFTS = """SELECT layer, unit, s.kept, s.share, mean_score, max_score, mean_rank,
l.kept AS label_kept, l.share AS label_share, lift
FROM neuron_labels AS l JOIN neuron_statistics AS s USING (neuron, layer, unit)
WHERE kind = ? AND label = ? AND s.kept >= ? AND layer = coalesce(?, layer)
ORDER BY lift DESC, s.kept DESC, neuron LIMIT ?"""


def most_kept(index: Path, manifest: Manifest, *, layer: int | None, top: int) -> list[CatalogRow]:
    """The neurons that most instances keep.

    Args:
        index: the index directory.
        manifest: of the version to look in.
        layer: only this one.
        top: how many.

    Raises:
        InputError: the index has no neurons, or not that layer.
    """
    check_layer(index, manifest, layer)
    return select(index, manifest, STATISTICS, [layer, top])


def most_lifted(
    index: Path, manifest: Manifest, label: str, *, kind: str, least: int, layer: int | None, top: int
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

    Raises:
        InputError: the index has no neurons, not that layer, or no instance with that label.
    """
    check_layer(index, manifest, layer)
    found = select(index, manifest, LABELS, [kind])
    known = [row["label"] for row in found]
    if label not in known:
        what = "label" if kind == "label" else "predicted label"
        raise InputError(
            f"{index}: no instance has the {what} '{label}'; {nearest(label, known[:SHOWN]) if known else 'none has one'}"
        )
    return select(index, manifest, LIFTS, [kind, label, least, layer, top])


def check_layer(index: Path, manifest: Manifest, layer: int | None) -> None:
    """Refuse an index without neurons, and a layer that the model does not have."""
    if not manifest.neurons:
        raise InputError(f"{index}: the index was built without neurons; build with neurons.enabled = true")
    if layer is not None and not 0 <= layer < manifest.model.layers:
        raise InputError(f"layer {layer}: the model has {manifest.model.layers}, counted from 0")


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
