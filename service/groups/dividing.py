"""How a server's vectors are divided, as it is asked to."""

from dataclasses import dataclass, field

from attridex.indexer.errors import InputError
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
