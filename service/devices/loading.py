"""Versions whose stored vectors are loaded onto a torch device: what fits is settled before anything is."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import torch

from attridex.indexer.errors import InputError
from attridex.indexer.held.memory import as_option
from attridex.indexer.index.directory import read_current, read_manifest, read_sidecar
from attridex.indexer.index.records import Manifest
from attridex.indexer.index.vectors import Part
from attridex.service.devices.memory import free_bytes, parse_devices, roomiest
from attridex.service.devices.resident import Chunk, Resident, search_bytes
from attridex.service.devices.structures import on_gpu
from attridex.service.errors import MachineError
from attridex.service.groups.group import HeldPortion
from attridex.service.groups.questions import Portion
from attridex.service.storage.far import Kind
from attridex.service.storage.held_shards import HeldShard, How, ServedShard
from attridex.service.storage.memory import VECTORS, vector_bytes
from attridex.service.storage.shard_vectors import FILES

CHUNK_BYTES = 1 << 30
"""Size of the shards that are multiplied together, unless one is larger."""
Key = tuple[str, tuple[HeldShard, ...]]
"""Names a chunk: the vectors' file, and its shards."""


def chosen_device(option: str, index: Path, *, verify: bool) -> "Device | None":
    """Where an index is searched; None for the CPU, which "auto" means also where the vectors do not fit on the GPU.

    Args:
        option: what `--search-device` says.
        index: its directory.
        verify: see `Device`.

    Raises:
        InputError: there is no such device.
        DamageError: there is no whole index.
    """
    devices = parse_devices(option)
    if not devices or (option == "auto" and not fits(index, devices)):
        return None
    return Device(devices, verify=verify)


def fits(index: Path, devices: Sequence[torch.device]) -> bool:
    """Whether all stored vectors of the served version of an index, and a search, have room on devices."""
    manifest = read_manifest(index, read_current(index))
    files = (read_sidecar(index, shard.name).files for shard in manifest.shards)
    vectors = sum(entry.bytes for found in files for name, entry in found.items() if name in VECTORS)
    return room(devices, search_bytes(manifest.instances)) >= vectors


def room(devices: Sequence[torch.device], search: int) -> int:
    """Bytes that are free for vectors on devices, on each of which a search takes some."""
    return sum(max(0, free_bytes(device) - search) for device in devices)


class DeviceVectors:
    """The stored vectors of a version, of which kinds are loaded onto a device when they are first asked for; see `Vectors`.

    Attributes:
        shards: whose vectors they are.
    """

    def __init__(self, device: "Device", portion: HeldPortion) -> None:
        """Nothing is loaded yet; the shards' own vectors stay on the disk, finalists alone are read from there."""
        portion.vectors.kept = frozenset()
        self._device, self._portion, self.shards = device, portion, portion.shards
        self._loaded: dict[Kind, Resident] = {}
        self._turn = Lock()

    @property
    def rows(self) -> int:
        """How many rows have vectors."""
        return self._portion.vectors.rows

    def of(self, kind: Kind) -> Resident:
        """Those of a kind.

        Raises:
            MachineError: the device has no memory left for them.
        """
        with self._turn:
            if kind not in self._loaded:
                parts = self._portion.vectors.of(kind)
                chunks = list(self._device.chunks(FILES[kind].vectors, self.shards, parts))
                self._loaded[kind] = Resident(parts, chunks, self._device.turn)
            return self._loaded[kind]

    def placed(self, structure: Any) -> Any:
        """On a GPU, where it fits; see `on_gpu`."""
        return on_gpu(structure, self._device.devices)

    def close(self) -> None:
        """Let the device's memory and the files go."""
        self._loaded.clear()
        self._portion.close()


class Device:
    """Opens versions on torch devices, one or several that hold a part each; see `Spread`.

    Attributes:
        devices: which.
        turn: held by who searches there.
    """

    def __init__(self, devices: Sequence[torch.device], *, verify: bool) -> None:
        """Nothing is there yet; `verify`: whether every file is read and checked when a version is opened."""
        self.devices, self._verify = devices, verify
        self._chunks = WeakValueDictionary[Key, Chunk]()
        self._open = WeakSet[DeviceVectors]()
        self.turn = Lock()

    def open(self, index: Path, manifest: Manifest, sha256: str, *, light: bool) -> DeviceVectors:
        """The vectors of a version; see `Spread.open`.

        Args:
            index: its directory.
            manifest: of the version.
            sha256: of that manifest.
            light: open them when they are asked for.

        Raises:
            InputError: the device has too little memory; how much is needed is named.
        """
        portion = Portion(index, manifest.number, sha256, 0, len(manifest.shards))
        beside = [shard for vectors in self._open for shard in vectors.shards]
        vectors = DeviceVectors(self, HeldPortion(portion, How(self._verify and not light), beside))
        self._open.add(vectors)
        try:
            if not light:
                self._check(index, vectors.shards)
                vectors.of("gradients")
        except BaseException:
            vectors.close()
            raise
        return vectors

    def _check(self, index: Path, shards: Sequence[ServedShard]) -> None:
        """Refuse a version whose vectors do not fit beside what is there already.

        Raises:
            InputError: they do not.
        """
        new = {(name, key) for name in VECTORS for key, _ in grouped(name, shards) if (name, key) not in self._chunks}
        search = search_bytes(sum(shard.rows for shard in shards))
        vectors = sum(vector_bytes(shard, [name]) for name, key in new for shard in key)
        if room(self.devices, search) < vectors:
            named, needed = ", ".join(map(str, self.devices)), as_option(vectors + len(self.devices) * search)
            raise InputError(
                f"--search-device {named}: the vectors of {index.name} and a search take {needed} there, "
                f"{as_option(sum(map(free_bytes, self.devices)))} are free; use cpu, or a larger one"
            )

    def chunks(self, name: str, shards: Sequence[ServedShard], parts: Sequence[Part]) -> Iterator[Chunk]:
        """A kind of vector on the device, in chunks; those that are there already are not loaded again.

        Args:
            name: of the vectors' file.
            shards: whose they are.
            parts: the same, from which they are loaded.

        Raises:
            MachineError: the device has no memory left for them.
        """
        for key, places in grouped(name, shards):
            chunk = self._chunks.get((name, key))
            if chunk is None:
                chunk = self._chunks[name, key] = Chunk(self._loaded(parts[places]))
            yield chunk

    def _loaded(self, parts: Sequence[Part]) -> torch.Tensor:
        """Vectors of shards that follow each other [c, d], as they are stored, on the device with the most room."""
        device = roomiest(self.devices).device
        rows = sum(part.rows for part in parts)
        dtype = torch.float16 if parts[0].vectors.precision == "float16" else torch.float32
        try:
            found, at = torch.empty((rows, parts[0].dim), dtype=dtype, device=device), 0
        except torch.OutOfMemoryError:
            raise MachineError(f"{device}: no memory is left there for vectors; others use it, too") from None
        for part in parts:
            found[at : at + part.rows] = torch.from_numpy(part.vectors.stored(slice(0, part.rows))).to(device)
            at += part.rows
        return found


def grouped(name: str, shards: Sequence[ServedShard]) -> "Iterator[tuple[tuple[HeldShard, ...], slice]]":
    """Shards that make up a chunk of a kind of vector, and their places, from the first shard on: appends change the last alone.

    Args:
        name: of the vectors' file.
        shards: in order.
    """
    held = [shard.held for shard in shards if name in shard.held.directory.files]
    ends = list(accumulate((vector_bytes(shard, [name]) for shard in held), initial=0))
    first = 0
    for place in range(1, len(held) + 1):
        if place == len(held) or ends[place + 1] - ends[first] > CHUNK_BYTES:
            yield tuple(held[first:place]), slice(first, place)
            first = place
