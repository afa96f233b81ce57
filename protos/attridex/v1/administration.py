"""What AdminService answers, in plain form, and how each answer is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attridex.v1 import admin_pb2 as pb
from attridex.v1.codec import Codec, register


@dataclass(frozen=True)
class Served:
    """The version that is served, as answers name it."""

    index_version: str


@dataclass(frozen=True)
class Version:
    """A version on the disk.

    Attributes:
        version: its number.
        current: whether it is the served one.
        instances: live ones.
        created: when it was made (UTC).
        deleted: instances that are deleted, or were replaced.
        added: columns that were added to the corpus's.
        read: whether somebody reads it; it stays on the disk until then.
    """

    version: str
    current: bool
    instances: int
    created: str
    deleted: int
    added: tuple[str, ...]
    read: bool = False


@dataclass(frozen=True)
class Versions:
    """The versions on the disk, oldest first."""

    versions: tuple[Version, ...]


@dataclass(frozen=True)
class Deleted:
    """The version that is served now, and how many instances were deleted."""

    index_version: str
    deleted: int


@dataclass(frozen=True)
class Undeleted:
    """The version that is served now, and how many instances are live again."""

    index_version: str
    undeleted: int


@dataclass(frozen=True)
class Compacted:
    """The version that is served now, instances that left the disk, and older versions that stay since they are still read."""

    index_version: str
    removed: int
    held: tuple[str, ...]


@dataclass(frozen=True)
class Pruned:
    """Versions that left the disk, and those that stay since they are still read."""

    removed: tuple[str, ...]
    held: tuple[str, ...]


@dataclass(frozen=True)
class Verified:
    """Files that were checked, what is not as it was written, a line each (1,000 at most), and how many files that is."""

    files: int
    problems: tuple[str, ...]
    damaged: int


@dataclass(frozen=True)
class Repaired:
    """The version that is served now, and what was mended, a line each."""

    index_version: str
    mended: tuple[str, ...]


@dataclass(frozen=True)
class Migrated:
    """The version that is served now, and the index's format."""

    index_version: str
    format: int


register(Version, pb.Version)
ADMIN_ANSWERS: Mapping[str, Codec[Any]] = {
    "Reload": Codec(Served, pb.ReloadResponse),
    "ListVersions": Codec(Versions, pb.ListVersionsResponse),
    "Activate": Codec(Served, pb.ActivateResponse),
    "DeleteInstances": Codec(Deleted, pb.DeleteInstancesResponse),
    "UndeleteInstances": Codec(Undeleted, pb.UndeleteInstancesResponse),
    "Compact": Codec(Compacted, pb.CompactResponse),
    "Prune": Codec(Pruned, pb.PruneResponse),
    "Verify": Codec(Verified, pb.VerifyResponse),
    "Repair": Codec(Repaired, pb.RepairResponse),
    "Migrate": Codec(Migrated, pb.MigrateResponse),
}
"""How the answer of each method is read."""
