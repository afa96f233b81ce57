"""Groups of shards as one: versions are opened over all of them."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attridex.indexer.index.records import Manifest
from attridex.service.groups.division import divided
from attridex.service.groups.gathering import Patience, gather
from attridex.service.groups.questions import Keep, Portion, Question
from attridex.service.groups.replicas import Replicas
from attridex.service.groups.vectors import GroupedVectors, Held


class Groups:
    """Opens versions over groups; see `Spread`. Indices may share them."""

    def __init__(self, replicas: Sequence[Replicas], patience: Patience) -> None:
        """None is open yet.

        Args:
            replicas: of each group.
            patience: how long a group is waited for.
        """
        self._groups, self.patience = dict(enumerate(replicas)), patience
        self._lock = threading.Lock()
        self._open: list[GroupedVectors] = []

    def open(self, index: Path, manifest: Manifest, sha256: str, *, light: bool) -> "GroupedVectors":
        """The vectors of a version; see `Spread.open`.

        Args:
            index: its directory.
            manifest: of the version.
            sha256: of that manifest.
            light: open them when they are asked for.
        """
        vectors = GroupedVectors(self, held_by_groups(index, manifest, sha256, len(self._groups)), manifest)
        with self._lock:
            self._open.append(vectors)
        try:
            if not light:
                vectors.load("gradients")
        except BaseException:
            self.release(vectors)
            raise
        return vectors

    def release(self, vectors: "GroupedVectors") -> None:
        """Let a version's vectors go, where they are."""
        with self._lock:  # until all are told: what is opened meanwhile is asked for behind it
            if vectors in self._open:
                self._open.remove(vectors)
            kept = [each.portions for each in self._open]
            for number, replicas in self._groups.items():
                replicas.tell(Keep(frozenset(each[number] for each in kept if number in each)))

    def ask(self, questions: Mapping[int, Question], patience: Patience) -> dict[int, Any]:
        """Answers by group; see `gather`."""
        return gather(self._groups, questions, patience)

    def name(self, number: int) -> str:
        """What a group is called in messages."""
        return self._groups[number].name

    def there(self) -> dict[str, float]:
        """How many replicas of each group, by its name, are not taken for lost; see `Replicas.there`."""
        return {replicas.name: replicas.there() for replicas in self._groups.values()}

    def close(self) -> None:
        """End all replicas."""
        for replicas in self._groups.values():
            replicas.end()


def held_by_groups(index: Path, manifest: Manifest, sha256: str, groups: int) -> dict[int, Held]:
    """What each group holds of a version; only those that hold something.

    Args:
        index: its directory.
        manifest: of the version.
        sha256: of that manifest.
        groups: how many there are.
    """
    index, found, start = index.absolute(), dict[int, Held](), 0
    for number, places in enumerate(divided([shard.rows for shard in manifest.shards], groups)):
        shards = manifest.shards[places.start : places.stop]
        stop = start + sum(shard.rows for shard in shards)
        if shards:
            portion = Portion(index, manifest.version, sha256, places.start, places.stop)
            found[number] = Held(portion, start, stop, tuple(shard.name for shard in shards))
        start = stop
    return found
