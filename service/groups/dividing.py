"""How a server's vectors are divided, as it is asked to."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.records import Manifest
from attridex.service.groups.gathering import Patience


@dataclass(frozen=True)
class Dividing:
    """Into which groups, and where they are.

    Attributes:
        groups: how many.
        replicas: of each group.
        address: of the cluster; see `cluster`.
        cpus: cores of each replica, or a part of one.
        patience: how long a group is waited for.
    """

    groups: int
    replicas: int = 1
    address: str | None = None
    cpus: float = 1.0
    patience: Patience = field(default_factory=Patience)

    def check_stored(self, index: Path, name: str) -> None:
        """Refuse an index on the disk before it is opened; one that is damaged is left to who opens it.

        Args:
            index: its directory.
            name: in messages.

        Raises:
            InputError: it is none, or see `check`.
        """
        with suppress(DamageError):
            self.check(read_manifest(index, read_current(index)), name)

    def check(self, manifest: Manifest, name: str) -> None:
        """Refuse groups that would hold nothing of an index.

        Raises:
            InputError: it has fewer shards.
        """
        shards = len(manifest.shards)
        if shards < self.groups:
            raise InputError(
                f"--groups {self.groups}: {name} has {shards} shards, one goes to one group; ask for {shards} at most"
            )


def dividing(
    engine: str, groups: int | None, *, replicas: int, address: str | None, cpus: float, patience: Patience
) -> Dividing | None:
    """What the command line asks for; None where this process does all.

    Args:
        engine: "local" or "ray".
        groups: how many, if it is said.
        replicas: of each group.
        address: of the cluster, if it is said.
        cpus: cores of each replica.
        patience: how long a group is waited for.

    Raises:
        InputError: one is asked for without the other.
    """
    if engine == "ray" and groups:
        return Dividing(groups, replicas, address, cpus, patience)
    if engine == "ray":
        raise InputError("--engine ray: say in how many groups with --groups N; each holds a part of the shards")
    if groups or replicas > 1 or address:
        raise InputError("--groups, --replicas and --address are of --engine ray; add it, or leave them out")
    return None
