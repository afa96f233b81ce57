"""The command `attridex`: one Typer app, composed of the commands of client, indexer and service."""

import errno
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from attridex.client.errors import UsageError
from attridex.client.start import check_local, missing
from attridex.indexer.engines.stopping import STOPPED, stoppable
from attridex.indexer.remote.named import CACHE

LOCAL = (
    "build", "show", "info", "add-columns", "append", "update", "refresh", "add-curvature", "snapshot", "restore", "neurons",
    "plan", "serve", "demo", "bench",
)  # fmt: skip
"""Commands that always work on an index or a model in this process."""
REFUSED = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ELOOP,
    errno.ENAMETOOLONG, errno.ENOTDIR, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
"""With what the system refuses a file, whatever a command does; a file that is missing is each command's own matter."""

INTERRUPTED = 130
"""The exit code of what was interrupted, Typer's own; its command returns it where it caught the interrupt itself."""


def make_app() -> typer.Typer:
    """The whole command line; the modules of its parts import what is heavy only when a command runs."""
    from attridex.client.commands import bench, demo, info, lifecycle, queries, roots, studies
    from attridex.indexer.commands import indices
    from attridex.service.commands import serve

    words = "Which training instances and which neurons made the model say this?"
    app = typer.Typer(name="attridex", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=words)
    app.callback()(options)
    app.command()(demo.demo)
    indices.register(app, info.info)
    lifecycle.register(app)
    serve.register(app)
    queries.register(app)
    for command in (studies.study, studies.report, bench.bench):
        app.command()(command)
    roots.with_urls(app)
    return app


def print_version(wanted: bool) -> None:
    """Print the version and leave, if asked to."""
    if wanted:
        sys.stdout.write(f"attridex {version('attridex')}\n")
        raise typer.Exit


def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Where indices in object storage are kept; else ATTRIDEX_CACHE, or ~/.cache/attridex."),
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Options that stand before the command."""
    if cache is not None:
        os.environ[CACHE] = str(cache)  # of every index of this process, and of servers that it starts
    if context.invoked_subcommand in LOCAL and not {"--help"} & set(sys.argv):
        check_local()


def main(arguments: list[str] | None = None) -> None:
    """Run a command; errors are one line on stderr and an exit code: 1 failed, 2 bad usage or input, 130 or 143 stopped."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with stoppable():
            command = typer.main.get_command(make_app())
            check_twice(command, given)
            code = command.main(given, prog_name="attridex", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as end:
        code = end.code
    except BrokenPipeError:
        sys.exit(1)
    except ModuleNotFoundError as error:
        code = failed(missing(error.name or "?"), given)
    except Exception as error:
        code = failed(error, given)
    if code in (INTERRUPTED, STOPPED):
        sys.stderr.write("stopped; run the same command again to go on\n")
    sys.exit(code or 0)  # not while an error is handled: what its traceback holds is let go before the process ends


def check_twice(command: Any, given: list[str]) -> None:
    """Refuse an option that is given twice and takes one value, of which the last would count.

    Raises:
        UsageError: see there.
    """
    words = list(given)
    while hasattr(command, "commands") and words:
        command = command.commands.get(words.pop(0), command)
    single = {name: each for each in command.params if not each.multiple for name in each.opts if name.startswith("--")}
    said = [word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None]]
    for name in single:
        if said.count(name) > 1:
            raise UsageError(f"{name} is given twice; it takes one value")


def failed(error: Any, arguments: list[str]) -> int:
    """Say what is wrong, and give the exit code; a fault of attridex itself shows its traceback."""
    known = hasattr(error, "exit_code") or refused(error)
    if not known or "--debug" in arguments:
        raise error
    # What Typer raises for bad usage names the option only in its own wording.
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    sys.stderr.write(f"error: {f'{error.filename}: {error.strerror}' if refused(error) else message}\n")
    return int(getattr(error, "exit_code", 1))


def refused(error: Any) -> bool:
    """Whether the system refuses a file: nobody may read or write it, there is no room, the disk is broken."""
    return isinstance(error, OSError) and error.filename is not None and error.errno in REFUSED
