"""Signatures that are remembered."""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attridex.service.encoding.need import Need

if TYPE_CHECKING:
    from attridex.indexer.signing.signature import Signature

CACHE_BYTES = 256 << 20
"""Size of the signatures that are remembered."""


ENTRY_BYTES = 1024
"""What an entry takes beside its numbers and texts."""


class Entry(NamedTuple):
    """Name of a remembered signature: the text's key, and the parts that it has."""

    key: str
    parts: Need


class SignatureCache:
    """Signatures by content, the longest unused dropped first.

    Attributes:
        size: bytes of what is remembered.
        found: look-ups that found a signature.
        missed: look-ups that did not.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        """`limit` in bytes."""
        self._limit, self.size = limit, 0
        self.found = self.missed = 0
        self._entries: OrderedDict[Entry, tuple[Signature, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, need: Need) -> "Signature | None":
        """A remembered signature with all that is needed."""
        with self._lock:
            for entry in (Entry(key, parts) for parts in need.wider):
                if entry in self._entries:
                    self._entries.move_to_end(entry)
                    self.found += 1
                    return self._entries[entry][0]
            self.missed += 1
        return None

    def put(self, key: str, need: Need, signature: "Signature") -> "Signature":
        """Remember a signature; the first one made of a text stays, so that a text asked twice at once has one answer.

        Returns:
            The signature that is remembered.
        """
        entry = Entry(key, need)
        size = ENTRY_BYTES + sum(map(bytes_of, vars(signature).values()))
        with self._lock:
            if entry in self._entries:
                return self._entries[entry][0]
            self.size += size
            self._entries[entry] = (signature, size)
            while self.size > self._limit:
                self.size -= self._entries.popitem(last=False)[1][1]
        return signature


def bytes_of(value: object) -> int:
    """About what one part of a signature takes."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, str):
        return len(value)
    return sum(map(bytes_of, value)) if isinstance(value, tuple | list) else 0
