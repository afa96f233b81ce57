"""The survey of a corpus: one pass that checks and counts every record, before any model work."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.columns import column_type, merged_type
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.index.layout import RESERVED, is_reserved


@dataclass(frozen=True)
class Survey:
    """What one pass over a corpus found, before any model work.

    Attributes:
        instances: how many there are.
        tokens: over all instances.
        truncated: how many were cut to fit the model.
        fingerprint: SHA-256 over ids, contents and fields in order.
        columns: DuckDB type of each text and metadata column.
    """

    instances: int
    tokens: int
    truncated: int
    fingerprint: str
    columns: dict[str, str]


def survey(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Survey:
    """Check every record and count them.

    Raises:
        InputError: a missing column, an unknown label, a duplicate id, an empty text, a reserved column name, or
            no instance at all; with the place and the value.
    """
    columns = list(dict.fromkeys([*corpus.metadata, *renderer.text_fields, *renderer.added_fields]))
    check_names(columns)
    counted, digest = Counter[str](), hashlib.sha256()
    seen: set[bytes] = set()
    types: dict[str, set[str]] = {name: set() for name in columns}
    example: Mapping[str, Any] = {}
    for record, instance in rendered(corpus, renderer, labels_needed=labels_needed):
        example = record.values
        check_id(instance.id, record.where, seen)
        counted.update(instances=1, tokens=instance.tokens, truncated=int(instance.truncated))
        for name in columns:
            types[name].add(column_type(instance.fields[name]))
        digest.update(json.dumps([instance.id, instance.key, dict(instance.fields)], sort_keys=True, default=str).encode())
    if not counted["instances"]:
        raise InputError(f"{', '.join(corpus.files) or corpus.dataset}: no instances in the corpus")
    for name in corpus.metadata:
        if types[name] == {"NULL"}:
            raise InputError(f"corpus.metadata: no record has a column '{name}'; {nearest(name, example)}")
    found = {name: merged_type(kinds) for name, kinds in types.items()}
    return Survey(counted["instances"], counted["tokens"], counted["truncated"], digest.hexdigest(), found)


def check_names(columns: Sequence[str]) -> None:
    """Refuse a column whose name is attridex's own."""
    for name in columns:
        if is_reserved(name):
            raise InputError(
                f"corpus: the column '{name}' has a name that attridex uses itself; rename it ({', '.join(RESERVED)})"
            )


def check_id(identity: str, where: str, seen: set[bytes]) -> None:
    """Refuse an id that stood before; 16 bytes an id are kept."""
    key = hashlib.blake2b(identity.encode(), digest_size=16).digest()
    if key in seen:
        raise InputError(f"{where}: duplicate id '{identity}'; ids must be unique over the corpus")
    seen.add(key)
