"""Checksums of a file: SHA-256 of the whole, and CRC-32 of each block, so that a block can be checked when it is read.

A CRC-32 costs a third of a SHA-256. It finds what breaks by itself; against somebody who can forge it stands the SHA-256 of the
whole file, which is compared when a version is opened.
"""

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16
"""Bytes of a block; the last one of a file may be shorter."""
Sums = NDArray[np.uint32]


class Checksums(NamedTuple):
    """Of one file: SHA-256, and CRC-32 of each block."""

    sha256: str
    blocks: Sums


def blocks_of(size: int) -> int:
    """Blocks of a file of so many bytes."""
    return -(-size // BLOCK)


def checksums(blocks: Iterable[bytes | memoryview]) -> Checksums:
    """Of a file that comes block by block."""
    whole, sums = hashlib.sha256(), list[int]()
    for block in blocks:
        whole.update(block)
        sums.append(zlib.crc32(block))
    return Checksums(whole.hexdigest(), np.array(sums, np.uint32))


def file_checksums(path: Path) -> Checksums:
    """Of a file at a path."""
    with path.open("rb") as stream:
        return checksums(iter(lambda: stream.read(BLOCK), b""))


def sums_text(sums: Sums) -> str:
    """Blocks' sums as records carry them: eight hexadecimal digits each."""
    return sums.astype(">u4").tobytes().hex()


def sums_of(text: str, size: int) -> Sums | None:
    """Blocks' sums of a file of so many bytes from a record; None where they do not fit."""
    try:
        sums = np.frombuffer(bytes.fromhex(text), ">u4")
    except ValueError:
        return None
    return sums.astype(np.uint32) if len(sums) == blocks_of(size) else None
