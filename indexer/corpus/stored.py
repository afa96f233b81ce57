"""Instances of an index, from what its shards store of them."""

from collections.abc import Sequence

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance, from_encoding
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.index.shards import Shard


def stored_instances(shard: Shard, rows: Sequence[int], corpus: CorpusConfig, renderer: Renderer) -> list[RenderedInstance]:
    """Instances of a shard: as they were encoded where that is stored, else rendered from its columns.

    Args:
        shard: holds them.
        rows: counted from the shard's first.
        corpus: of the index.
        renderer: of its model.
    """
    if corpus.keeps_encodings:
        return [from_encoding(shard.encoding(row)) for row in rows]
    columns = list(dict.fromkeys(["id", "label", *renderer.text_fields]))
    return [renderer.stored(row) for row in shard.instances(columns).take(list(rows)).to_pylist()]
