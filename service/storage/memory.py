"""How much memory an index may have, and what of a version is kept in it; the rest is read from the disk when it is asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from attridex.indexer.approximate.structures import file_name
from attridex.indexer.errors import InputError
from attridex.indexer.held.arrays import CACHED
from attridex.indexer.held.memory import as_option, resident
from attridex.indexer.index.layout import (
    ACTIVATIONS,
    ATTRIBUTIONS,
    BM25,
    CSC_INDPTR,
    CSC_ROWS,
    CSC_SCORES,
    CSC_WEIGHTS,
    CSR_INDPTR,
    CSR_NEURONS,
    CSR_SCORES,
    CURVATURE,
    GRADIENTS,
    HIDDEN,
    TRACIN,
)
from attridex.service.storage.held import HeldVersion
from attridex.service.storage.held_shards import HeldShard

VECTORS = (GRADIENTS, HIDDEN, ACTIVATIONS, ATTRIBUTIONS, TRACIN)
"""What is kept first."""
WHOLE = (CURVATURE, *BM25.values())
"""Files that are read whole, and of which something is made that may be as large again."""
POSTINGS = (CSC_INDPTR, CSC_ROWS, CSC_WEIGHTS, CSC_SCORES, CSR_INDPTR, CSR_NEURONS, CSR_SCORES)
"""Files of which a bounded part is kept."""
ROW_BYTES = 64
"""What a row takes beside its vectors: norms, its place in an order, what marks it, a score of it."""
CATALOG_BYTES, CATALOG_ROW_BYTES = 64 << 20, 64
"""What DuckDB may take, and more of it a row."""


VARIES = 16 << 20
"""How much larger a process may be when it starts again."""


@dataclass(frozen=True)
class Memory:
    """How much memory a process may have with one more index open.

    Attributes:
        limit: of the process, in bytes.
        share: of what is left of that, one part in so many is this index's.
        room: bytes for what is read of the index; None until everything else is loaded.
    """

    limit: int
    share: int = 1
    room: int | None = None

    def settled(self, reserve: int) -> "Memory":
        """The same, now that everything else is loaded but for `reserve` bytes, which work and caches will take."""
        return replace(self, room=(self.limit - resident("VmRSS")) // self.share - reserve)

    def enough(self, missing: int) -> str:
        """The limit that would do where so many bytes are missing, as it is given."""
        return as_option(self.limit + missing * self.share + VARIES)


@dataclass(frozen=True)
class Kept:
    """What of a version is kept in memory.

    Attributes:
        vectors: kinds of vectors, by their files' names.
        structures: for approximate search.
    """

    vectors: frozenset[str] = frozenset()
    structures: frozenset[str] = frozenset()


def kept_within(memory: Memory, held: HeldVersion, beside: Iterable[HeldShard] = (), kinds: Sequence[str] = VECTORS) -> Kept:
    """What of a version is kept: kind by kind what still fits, of the structures the smallest first.

    Args:
        memory: that it may have.
        held: its files.
        beside: shards of a version whose vectors are in memory and that is still read.
        kinds: of vectors that may be in memory here.

    Raises:
        InputError: there is not even room for what cannot be left on the disk; the limit that would do is named.
    """
    own = {shard.held for shard in held.shards}
    left = (memory.room or 0) - always(held) - sum(vector_bytes(shard) for shard in {*beside} - own)
    if left < 0:
        raise InputError(
            f"--memory {as_option(memory.limit)}: too little for {held.directory.path.parent.parent.name}; "
            f"{memory.enough(-left)} would do, and the vectors stay on the disk then"
        )
    structures = sorted(held.manifest.config.index.approximate, key=lambda kind: structure_bytes(held, kind))
    sizes = {name: sum(vector_bytes(shard.held, [name]) for shard in held.shards) for name in VECTORS}
    sizes |= {kind: structure_bytes(held, kind) for kind in structures}
    kept = set()
    for name in (*kinds[:1], *structures, *kinds[1:]):
        if sizes[name] <= left:
            kept.add(name)
            left -= sizes[name]
    return Kept(frozenset(kept & {*VECTORS}), frozenset(kept & {*structures}))


def always(held: HeldVersion) -> int:
    """Bytes that a version takes beside vectors and structures, once everything of it was asked for."""
    sizes = {name: entry.bytes for name, entry in held.manifest.files.items()}
    rows = held.manifest.instances
    found = ROW_BYTES * rows + catalog_bytes(rows)
    found += sum(2 * sizes.get(name, 0) for name in WHOLE)
    return found + sum(min(CACHED, sizes.get(name, 0)) for name in POSTINGS)


def catalog_bytes(rows: int) -> int:
    """What DuckDB may take for a catalog of so many rows."""
    return CATALOG_BYTES + CATALOG_ROW_BYTES * rows


def vector_bytes(shard: HeldShard, names: Iterable[str] = VECTORS) -> int:
    """Bytes of kinds of vectors of a shard."""
    files = shard.directory.files
    return sum(files[name].written.size for name in names if name in files)


def structure_bytes(held: HeldVersion, kind: str) -> int:
    """Bytes of a structure for approximate search."""
    pattern = file_name(kind, 0).replace("0000", "*")
    return sum(entry.bytes for name, entry in held.manifest.files.items() if fnmatchcase(name, pattern))
