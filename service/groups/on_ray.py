"""Groups whose replicas are Ray actors, anywhere in a cluster. They end with the server."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from attridex.indexer.engines.ray_actors import Share, cluster, one_line_errors, room_for
from attridex.indexer.engines.ray_replicas import RayReplica
from attridex.indexer.errors import InputError
from attridex.service.groups.dividing import Dividing
from attridex.service.groups.group import GroupJob
from attridex.service.groups.groups import Groups
from attridex.service.groups.replicas import Replicas


@contextmanager
def ray_groups(wanted: Dividing, job: GroupJob) -> Iterator[Groups]:
    """Groups in a cluster, until the block ends.

    Args:
        wanted: how many, and where.
        job: what each replica is.

    Raises:
        InputError: there is no cluster, or it has no room for them.
    """
    with cluster(wanted.address), one_line_errors():
        share = Share(wanted.cpus)
        check_room(room_for(share), wanted)
        replicas = [
            Replicas(
                f"shard group {group}",
                [RayReplica(f"replica {group}.{each}", job, share) for each in range(1, wanted.replicas + 1)],
            )
            for group in range(1, wanted.groups + 1)
        ]
        with closing(Groups(replicas, wanted.patience)) as groups:
            yield groups


def check_room(room: int, wanted: Dividing) -> None:
    """Refuse more actors than there is room for: they would be waited for without end."""
    actors = wanted.groups * wanted.replicas
    if room < actors:
        raise InputError(
            f"engine ray: room for {room} actors of {wanted.cpus:g} CPUs now, --groups {wanted.groups} and --replicas "
            f"{wanted.replicas} need {actors}; ask for fewer, or for less with --group-cpus"
        )
