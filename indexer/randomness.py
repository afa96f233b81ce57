"""Random numbers that are the same on every machine.

All are raw 64-bit output of the counter-based Philox generator (Salmon et al., 2011), keyed by a hash of the seed and a
name; nothing depends on how a library turns bits into numbers.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray


def philox(seed: int, name: str, start: int = 0) -> np.random.Philox:
    """Generator for one block of one projection, from its counter `start` (each step gives four 64-bit words)."""
    digest = hashlib.sha256(f"attridex|{seed}|{name}".encode()).digest()
    return np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8"), counter=[start, 0, 0, 0])


def signs(seed: int, name: str, count: int, start: int = 0) -> NDArray[np.float32]:
    """Fair signs from the generator's bits.

    Args:
        seed: of the stream.
        name: of the stream.
        count: how many.
        start: where in the stream to begin, a multiple of 256.
    """
    words = philox(seed, name, start // 256).random_raw(-(-count // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")[:count]
    return bits.astype(np.float32) * 2 - 1


def normals(seed: int, name: str, count: int, start: int = 0) -> NDArray[np.float32]:
    """Standard normal numbers by Box and Muller.

    Args:
        seed: of the stream.
        name: of the stream.
        count: how many.
        start: where in the stream to begin, a multiple of 4.
    """
    uniform = uniforms(seed, name, -(-count // 4) * 4, start)
    radius, angle = np.sqrt(-2 * np.log(uniform[0::2])), 2 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].astype(np.float32)


def uniforms(seed: int, name: str, count: int, start: int = 0) -> NDArray[np.float64]:
    """Numbers between 0 and 1.

    Args:
        seed: of the stream.
        name: of the stream.
        count: how many.
        start: where in the stream to begin, a multiple of 4.
    """
    return ((philox(seed, name, start // 4).random_raw(count) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
