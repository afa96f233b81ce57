"""The command that serves indices."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def register(app: typer.Typer) -> None:
    """Add the service's command to an app."""
    app.command()(serve)


def serve(
    indexes: Annotated[
        list[str], typer.Argument(metavar="INDEX...", help="Index directories or URLs; NAME=DIR names one.", show_default=False)
    ],
    listen: Annotated[str, typer.Option(help="HOST:PORT, where port 0 takes a free one, or unix:PATH.")] = "127.0.0.1:50051",
    socket_mode: Annotated[
        str, typer.Option(metavar="OCTAL", help="Mode of a Unix socket's file: who may write to it may connect.")
    ] = "600",
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Look-ups by id, vector and neurons alone, without torch.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="PATH", help="Where an index's model lies now; of several indices NAME=PATH."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads of look-ups; four times as many wait for the model.")] = 16,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a scan; default all processors.")] = None,
    max_request_mb: Annotated[int, typer.Option(min=1, max=2047, help="Limit on a request, MiB.")] = 16,
    max_response_mb: Annotated[int, typer.Option(min=1, max=2047, help="Limit on an answer, MiB.")] = 64,
    connections: Annotated[int, typer.Option(min=1, help="Clients that may be connected at once.")] = 512,
    rate: Annotated[float, typer.Option(min=0, help="Requests a second of one client; 0: any number.")] = 0.0,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of this process, as 4GiB: vectors beyond it are read from the disk.")
    ] = "",
    search_device: Annotated[
        str, typer.Option(help="Where vectors are searched: cpu, cuda or cuda:N; auto: on a GPU that has room for them.")
    ] = "cpu",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read and check every file at the start.")] = False,
    watch: Annotated[
        float, typer.Option(min=0, help="Seconds within which a new version is served by itself; 0: on Reload alone.")
    ] = 2.0,
    mmap: Annotated[
        bool,
        typer.Option("--mmap", help="Map posting lists: faster, but a file that changes underneath is seen unchecked."),
    ] = False,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Directory outside of which lies nothing that an index names; may be repeated.", show_default=False),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run Python code that lies beside a model, where an index asks for it.")
    ] = False,
    no_admin: Annotated[bool, typer.Option("--no-admin", help="Do not offer AdminService at all.")] = False,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Serve those alone whom this file names: `<role> <name> <token> [index ...]`; followed when it changes."
        ),
    ] = None,
    insecure_admin: Annotated[
        bool, typer.Option("--insecure-admin", help="Let everybody on this machine administrate, without a token.")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM).")] = None,
    tls_client_ca: Annotated[Path | None, typer.Option(help="CA of clients, which must then show a certificate (PEM).")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without TLS.")] = False,
    grace: Annotated[float, typer.Option(min=0, help="Seconds that calls under way may go on after SIGTERM.")] = 10.0,
    operations: Annotated[str, typer.Option(help="HOST:PORT of /metrics, /healthz and /readyz over HTTP.")] = "",
    audit: Annotated[Path | None, typer.Option(help="File to append each call of AdminService to; the log unless given.")] = None,
    traces: Annotated[str, typer.Option(help="Send OpenTelemetry traces there by OTLP: http://HOST:PORT.")] = "",
    log_format: Annotated[Literal["text", "json"], typer.Option(help="Lines of the log.")] = "text",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="What is logged; calls are of level info.")
    ] = "warning",
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Who holds stored vectors: this process, or groups of actors of a Ray cluster."),
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Ray: the cluster's, HOST:PORT; RAY_ADDRESS unless given.")] = None,
    groups: Annotated[int | None, typer.Option(min=1, help="Ray: groups of shards, each held by other actors.")] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Ray: actors that hold the same group.")] = 1,
    group_cpus: Annotated[float, typer.Option(min=0.01, help="Ray: cores of an actor, or a part of one.")] = 1.0,
    group_seconds: Annotated[
        float, typer.Option(min=0.001, help="Seconds a group may take; what has no answer then is UNAVAILABLE, or left out.")
    ] = 10.0,
    hedge: Annotated[float, typer.Option(min=0, help="Seconds after which another replica is asked the same.")] = 1.0,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log each call: --log-level info.")] = False,
) -> None:
    """Answer attribution queries over gRPC until stopped."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything reads it: an index makes a server ask nobody for its model
    from attridex.service.edge.options import ServerOptions
    from attridex.service.edge.security import parse_mode, tls_of
    from attridex.service.edge.server import run_server
    from attridex.service.groups.dividing import dividing
    from attridex.service.groups.gathering import Patience
    from attridex.service.operations.logs import announced, logging_on_stderr
    from attridex.v1.limits import Limits

    tls = tls_of(tls_cert, tls_key, tls_client_ca)
    patience = Patience(group_seconds, hedge)
    divided = dividing(engine, groups, replicas=replicas, address=address, cpus=group_cpus, patience=patience)
    options = ServerOptions(
        listen, parse_mode(socket_mode), workers, tls, insecure, admin=not no_admin, tokens=tokens, insecure_admin=insecure_admin,
        roots=tuple(root or ()), own_code=trust_remote_code, model=not no_model, models=tuple(model or ()), verify=not no_verify,
        threads=threads, watch=watch, mapped=mmap, grace=grace, operations=operations, audit=audit, traces=traces,
        memory=memory, search_device=search_device,
        limits=Limits(max_request_mb << 20, max_response_mb << 20, connections=connections, requests_per_second=rate),
        dividing=divided,
    )  # fmt: skip
    with logging_on_stderr(log_format, "info" if verbose and log_level == "warning" else log_level) as writer:
        ended = run_server(indexes, options, lambda line: typer.echo(announced(line, log_format), err=True))
    if writer.is_alive():  # it holds stderr: to flush that, or to end the interpreter, would wait for whoever reads nothing
        os._exit(0)
    if not ended:
        sys.stderr.flush()
        os._exit(0)
