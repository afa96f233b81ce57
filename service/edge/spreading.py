"""A server whose vectors are divided: what cannot go with it, and who holds them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attridex.indexer.errors import InputError
from attridex.indexer.remote.urls import url_of
from attridex.service.answering.served import ServedIndex
from attridex.service.edge.options import ServerOptions
from attridex.service.groups.group import GroupJob
from attridex.service.storage.held_shards import How

if TYPE_CHECKING:
    from attridex.service.groups.groups import Groups


def check_alone(options: ServerOptions, paths: Mapping[str, Path]) -> None:
    """Refuse with groups what is of one process, and indices that cannot be divided, before a cluster is begun.

    Args:
        options: how to serve.
        paths: of the indices, by name.

    Raises:
        InputError: a limit of its memory or a device of its own is asked for, or an index is none, is fetched to this machine
            alone, or has fewer shards than there are groups.
    """
    if options.dividing is None:
        return
    if options.memory:
        raise InputError("--memory: of one process that holds all vectors; leave it out with --engine ray, and use more --groups")
    if options.search_device != "cpu":
        raise InputError(
            f"--search-device {options.search_device}: of one process that holds all vectors; leave out --engine ray"
        )
    for name, path in paths.items():
        if url_of(path):
            raise InputError(f"{path}: fetched to this machine alone; with --engine ray give a directory that all nodes share")
        options.dividing.check_stored(path, name)


@contextmanager
def spread_of(options: ServerOptions) -> Iterator["Groups | None"]:
    """Who holds stored vectors, until the block ends; this process where None.

    Raises:
        InputError: they cannot be had.
    """
    if options.dividing is None:
        yield None
        return
    from attridex.service.groups.on_ray import ray_groups

    job = GroupJob(How(options.verify), options.threads or max(1, int(options.dividing.cpus)))
    with ray_groups(options.dividing, job) as groups:
        yield groups


def check_divides(index: ServedIndex, options: ServerOptions) -> None:
    """Refuse groups that would hold nothing of an index."""
    if options.dividing:
        with index.store.version() as version:
            options.dividing.check(version.manifest, index.name)
