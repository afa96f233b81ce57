"""The commands that change which instances and versions there are: of an index directory, or of an index that a server serves."""

import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from attridex.client.administration import AdminClient
from attridex.client.channel import given_token, tls_of
from attridex.client.commands import options, told
from attridex.client.commands.options import Where, with_options
from attridex.client.errors import ClientError, UsageError
from attridex.client.start import check_local

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from attridex.indexer.index.records import Manifest

IndexPath = Annotated[Path | None, typer.Argument(help="Index directory or URL; none with --server.", show_default=False)]
Ids = Annotated[str, typer.Option("--ids", help="Ids, comma separated; @FILE reads one a line.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout; progress and messages stay on stderr.")]


Done = TypeVar("Done", bound="DataclassInstance")
"""What a server answers."""


@dataclass(frozen=True)
class Served:
    """The server whose index is changed, where it is not one of this machine."""

    _: KW_ONLY
    server: options.ServerAddress = None
    name: options.IndexName = ""
    timeout: options.Timeout = 3600.0
    token_file: options.TokenFile = None
    tls_ca: options.TlsCa = None
    tls_cert: options.TlsCert = None
    tls_key: options.TlsKey = None

    def directory(self, index: Path | None) -> Path | None:
        """The index directory that is meant; None where a server is.

        Raises:
            UsageError: neither or both are given.
            MissingPackageError: an index cannot be opened here.
        """
        if (index is None) == (self.server is None):
            raise UsageError("give one of INDEX (a directory) or --server HOST:PORT")
        if index is not None:
            check_local()
        return index

    def admin(self) -> AdminClient:
        """Administrates the server's index.

        Raises:
            UsageError: a token or certificate cannot be used.
        """
        tls = tls_of(self.tls_ca, self.tls_cert, self.tls_key)
        token = given_token(self.token_file)
        return AdminClient(str(self.server), index=self.name, timeout=self.timeout, tls=tls, token=token)

    def ask(self, change: Callable[[AdminClient], Done], words: Callable[[Done], str], *, as_json: bool) -> None:
        """Have the server do something, and say what it answers, in words or as JSON."""
        from attridex.indexer.commands.options import emit, say

        with self.admin() as admin:
            done = change(admin)
        if as_json:
            emit({"server": self.server, **asdict(done)})
        else:
            say(f"{self.server}: {words(done)}")


@with_options
def delete(
    served: Served,
    index: IndexPath = None,
    ids: Annotated[str | None, typer.Option("--ids", help="Ids, comma separated; @FILE reads one a line.")] = None,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Delete instances, in every version; an id of a document or of a record covers all of its parts.

    Nothing brings them back but `attridex undelete`; their text leaves the disk with `attridex compact`.
    """
    from attridex.indexer.commands import lifecycle as local
    from attridex.indexer.lifecycle.deleting import delete_ids, delete_where

    if (ids is None) == (where is None):
        raise UsageError("delete: give either --ids or --where")
    named = [] if ids is None else local.given_ids(ids)
    directory = served.directory(index)
    if directory is None:
        served.ask(lambda admin: admin.delete_instances(named, where=where), told.deleted, as_json=as_json)
    elif ids is not None:
        local.told(directory, "deleted", *delete_ids(directory, named, by=local.asker()), as_json=as_json)
    else:
        local.told(directory, "deleted", *delete_where(directory, rows_where(where or ""), by=local.asker()), as_json=as_json)


def rows_where(text: str) -> Callable[[Path, "Manifest"], list[int]]:
    """What looks up the rows of a version that a filter string holds for; it is parsed before the index is opened."""
    from attridex.client.filters import parse_filter

    condition = parse_filter(text)

    def rows(index: Path, manifest: "Manifest") -> list[int]:
        from attridex.indexer.lifecycle.deleting import selected_rows
        from attridex.service.search.planner import compile_filter

        return selected_rows(index, manifest, *compile_filter(condition, manifest))

    return rows


@with_options
def undelete(served: Served, ids: Ids, index: IndexPath = None, as_json: Json = False) -> None:
    """Undo the last delete of each id; the log of deletes keeps that, too."""
    from attridex.indexer.commands import lifecycle as local

    directory = served.directory(index)
    if directory is None:
        served.ask(lambda admin: admin.undelete_instances(local.given_ids(ids)), told.undeleted, as_json=as_json)
    else:
        local.undelete(directory, ids, as_json)


@with_options
def compact(served: Served, index: IndexPath = None, as_json: Json = False) -> None:
    """Remove what is deleted from the disk, its text too; older versions leave. It cannot be undone."""
    from attridex.indexer.commands import lifecycle as local

    directory = served.directory(index)
    if directory is None:
        served.ask(AdminClient.compact, told.compacted, as_json=as_json)
    else:
        local.compact(directory, as_json)


@with_options
def prune(
    served: Served,
    index: IndexPath = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the last versions stay, beside the served one.")] = 1,
    as_json: Json = False,
) -> None:
    """Remove older versions from the disk, but those that are still read."""
    from attridex.indexer.commands import lifecycle as local

    directory = served.directory(index)
    if directory is None:
        served.ask(lambda admin: admin.prune(keep), told.pruned, as_json=as_json)
    else:
        local.prune(directory, keep, as_json)


@with_options
def activate(
    served: Served,
    place: Annotated[
        list[str],
        typer.Argument(metavar="[INDEX] VERSION", help="Index directory or URL, none with --server; number of a version."),
    ],
) -> None:
    """Make a version the current one; what is deleted stays deleted."""
    from attridex.indexer.commands import lifecycle as local
    from attridex.indexer.commands.options import say

    *index, version = place
    if len(index) > 1:
        raise UsageError(f"activate: {len(place)} arguments; give INDEX VERSION, or VERSION with --server")
    directory = served.directory(Path(index[0]) if index else None)
    if directory is not None:
        local.activate(directory, version)
        return
    with served.admin() as admin:
        say(f"{served.server}: version {admin.activate(version)} is served")


@with_options
def versions(served: Served, index: IndexPath = None, as_json: Json = False) -> None:
    """The versions of an index on disk: * is the served one; what is live, deleted and added in each."""
    from attridex.indexer.commands import info as local
    from attridex.indexer.commands.options import emit

    directory = served.directory(index)
    if directory is not None:
        local.versions(directory, as_json)
        return
    with served.admin() as admin:
        for each in admin.list_versions():
            if as_json:
                emit(asdict(each))
            else:
                sys.stdout.write(f"{'*' if each.current else ' '} {local.version_line(asdict(each))}\n")


@with_options
def verify(served: Served, index: IndexPath = None, as_json: Json = False) -> None:
    """Check every file of an index against what was written; exit code 1 if any differs."""
    from attridex.indexer.commands import verify as local
    from attridex.indexer.commands.options import emit, say

    directory = served.directory(index)
    if directory is not None:
        local.verify(directory, as_json)
        return
    with served.admin() as admin:
        found = admin.verify()
    for problem in found.problems:
        say(f"error: {problem}")
    if as_json:
        emit({"server": served.server, **asdict(found)})
    if found.problems:
        damaged = max(found.damaged, len(found.problems))  # an older server does not tell how many
        raise ClientError(f"{served.server}: {damaged} of {found.files} files are not what was written, or were never written")
    if not as_json:
        say(f"{served.server}: {found.files} files, all as they were written")


@with_options
def repair(
    served: Served,
    index: IndexPath = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="What it was built from, where its corpus lies elsewhere now.", show_default=False),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Where its model lies now.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Mend a damaged index from what is whole, or by signing again; exit code 1 says what cannot be mended."""
    from attridex.indexer.commands import lifecycle as local

    directory = served.directory(index)
    if directory is not None:
        local.repair(directory, config, model, as_json)
        return
    if config is not None or model is not None:
        raise UsageError("repair: --config and --model go with an index directory; a server has its own")
    served.ask(AdminClient.repair, told.repaired, as_json=as_json)


@with_options
def migrate(served: Served, index: IndexPath = None) -> None:
    """Make an index of format 2 one of format 3; nothing is signed again."""
    from attridex.indexer.commands import lifecycle as local

    directory = served.directory(index)
    if directory is None:
        served.ask(AdminClient.migrate, told.migrated, as_json=False)
    else:
        local.migrate(directory)


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (verify, versions, activate, delete, undelete, compact, prune, repair, migrate):
        app.command()(command)
