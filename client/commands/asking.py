"""How query commands ask: in batches, with answers shown as they come or written by a batch job."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from attridex.client import output
from attridex.client.channel import given_token, tls_of
from attridex.client.client import Client
from attridex.client.commands import options
from attridex.client.errors import InvalidArgumentError, UsageError
from attridex.client.evaluate import evaluate
from attridex.client.files import json_line
from attridex.client.records import Dialect, in_batches, indexed_records, read_records
from attridex.v1.answers import Answer, IndexInfo, PredictAnswer
from attridex.v1.requests import (
    AttributeInstancesRequest,
    FindInstancesByNeuronsRequest,
    FindNeuronsByInstancesRequest,
    PredictRequest,
    Query,
    RecordSource,
    Request,
    as_queries,
)
from attridex.v1.rpcs import RPCS

BATCH = 32
"""Queries of one request."""
OWN = ("row", "id", "content_hash", "predicted", "loss", "gradient_norm", "tokens", "truncated")
"""Columns that are attridex's own, where the server is too old to tell them."""


@dataclass(frozen=True)
class Asking:
    """What every query command is given: whom to ask about what, and behind the command's own options, how."""

    queries: options.QueryFile = None
    instance: options.InstanceIds = None
    index: options.IndexDir = None
    server: options.ServerAddress = None
    name: options.IndexName = ""
    _: KW_ONLY
    limit: options.Limit = None
    out: options.Out = None
    timeout: options.Timeout = 3600.0
    no_verify: options.Verify = False
    model: options.ModelPlace = None
    as_json: options.Json = False
    output: options.Output = ""
    max_new_tokens: options.MaxNewTokens = 0
    delimiter: options.Delimiter = None
    quoting: options.Quoting = None
    token_file: options.TokenFile = None
    tls_ca: options.TlsCa = None
    tls_cert: options.TlsCert = None
    tls_key: options.TlsKey = None

    def client(self) -> Client:
        """The client that is asked for.

        Raises:
            UsageError: neither or both of --index and --server, or a token or certificate cannot be used.
        """
        if (self.index is None) == (self.server is None):
            raise UsageError("give one of --index INDEX (in this process) or --server HOST:PORT")
        if self.index is not None:
            from attridex.client.start import check_local

            check_local()
            return Client.local(self.index, model=self.model or True, verify=not self.no_verify, timeout=self.timeout)
        if self.model is not None:
            raise UsageError("--model: a server has its model; it is for --index")
        tls = tls_of(self.tls_ca, self.tls_cert, self.tls_key)
        return Client(str(self.server), index=self.name, timeout=self.timeout, tls=tls, token=given_token(self.token_file))

    def sources(self, index: IndexInfo | None = None) -> Iterator[Query]:
        """The queries, one at a time: records, or training instances.

        Args:
            index: as whose corpus records are read; only counted and named without one.

        Raises:
            UsageError: neither or both of --queries and --instance.
        """
        if bool(self.queries) == bool(self.instance):
            raise UsageError("give one of --queries FILE or --instance ID")
        asked = map(Query.instance, self.instance or [])
        if self.queries:
            read = indexed_records(self.queries, self.dialect, index) if index else read_records(self.queries, self.dialect)
            asked = map(Query.record, read)
        return islice((replace(query, **self.chosen) for query in asked), self.limit)

    @property
    def dialect(self) -> Dialect:
        """How a table of queries is written."""
        return Dialect(self.delimiter, self.quoting)

    @property
    def chosen(self) -> dict[str, Any]:
        """What is chosen for every query, where something is."""
        return {name: value for name in ("output", "max_new_tokens") if (value := getattr(self, name))}


@dataclass(frozen=True)
class Asked:
    """Whom a command asks, and what the index told of itself before."""

    client: Client
    index: IndexInfo


def ask_queries(asking: Asking, request: Request, asked: Mapping[str, Any], columns: str = "") -> None:
    """Ask in batches and show answers as they come, or run a batch job into a file.

    Args:
        asking: whom and about what.
        request: what is asked of every query.
        asked: the command's own options, which bind a batch job's file.
        columns: the option --fields, where the command has it.
    """
    # One pass before any work: a bad line is found now, not after hours.
    total = sum(1 for _ in asking.sources())
    with asking.client() as client:
        index = client.get_index()
        if isinstance(request, AttributeInstancesRequest | FindInstancesByNeuronsRequest):
            request = replace(request, fields=columns_of(index, columns))
        request = within(index, request)
        with naming(asking.queries):
            if asking.out:
                run_job(asking, Asked(client, index), request, asked, asking.out, total)
            else:
                show_answers(asking, Asked(client, index), request, brief=not columns)


def within(index: IndexInfo, request: Request) -> Request:
    """The request, for all instances where it wants more of them than there are, which is said."""
    name = "instances" if isinstance(request, FindNeuronsByInstancesRequest) else "k"
    wanted = getattr(request, name, None)
    if not wanted or not 0 < index.instances < wanted:
        return request
    sys.stderr.write(f"--{name} {wanted}: the index has {index.instances} instances, all are asked for\n")
    most: dict[str, Any] = {name: index.instances}
    return replace(request, **most)


@contextmanager
def naming(queries: Path | None) -> Iterator[None]:
    """Name the file in what is refused of its queries."""
    try:
        yield
    except InvalidArgumentError as error:
        if queries is None or "queries" not in error.fields:
            raise
        raise UsageError(f"{queries}: {error}") from error


def with_queries(request: Request, queries: list[Query]) -> Any:
    """The request, of some queries."""
    return replace(request, queries=as_queries(queries))


def show_answers(asking: Asking, whom: Asked, request: Request, *, brief: bool) -> None:
    """Ask in batches; JSON lines or tables on stdout.

    Args:
        asking: about what, and how it is shown.
        whom: to ask.
        request: what is asked of every query.
        brief: show of each instance its label and one text.
    """
    from rich.console import Console

    console = Console()
    for batch in in_batches(asking.sources(whom.index), BATCH):
        answer = whom.client.send(with_queries(request, batch))
        for edited in short_edits(request, answer):
            sys.stderr.write(f"{edited}\n")
        if asking.as_json:
            for line in output.answer_lines(answer):
                sys.stdout.write(json_line(line) + "\n")
            sys.stdout.flush()
        else:
            output.show_answer(console, answer, {query.id: text_of(query) for query in batch}, brief=brief)


def short_edits(request: Request, answer: Answer) -> Iterator[str]:
    """Lines that name interventions of fewer neurons than were asked for."""
    if not isinstance(request, PredictRequest) or not isinstance(answer, PredictAnswer):
        return
    for result in answer.results:
        for wanted, done in zip(request.interventions, result.interventions, strict=True):
            if wanted.neurons is None and len(done.neurons) < wanted.r:
                yield f"query '{result.query_id}': {done.name}: only {len(done.neurons)} neurons have a score, these are edited"


def run_job(asking: Asking, whom: Asked, request: Request, asked: Mapping[str, Any], out: Path, total: int) -> None:
    """Run the queries as a batch job.

    Args:
        asking: about what.
        whom: to ask.
        request: what is asked of every query.
        asked: the command's own options.
        out: file of JSON lines.
        total: how many queries there are.
    """
    from attridex.indexer.files import file_hash
    from attridex.indexer.progress import progress

    kind = RPCS[type(request)].field
    settings = {"kind": kind, **asked, **asking.chosen, "limit": asking.limit, "instances": asking.instance}
    if asking.queries:
        settings |= {
            "queries": file_hash(asking.queries),
            **{name: value for name, value in asking.dialect._asdict().items() if value},
        }
    with progress("Evaluating", total, "queries", enabled=True) as advance:
        asked_now = evaluate(
            whom.client, asking.sources(whom.index), lambda batch: with_queries(request, batch), output.answer_lines, out,
            settings=settings, advance=advance, say=lambda words: sys.stderr.write(f"{words}\n"), index=whom.index,
        )  # fmt: skip
    sys.stderr.write(f"{out}: {total} queries, {asked_now} asked now\n")


def columns_of(index: IndexInfo, fields: str) -> tuple[str, ...]:
    """Columns to show: those named, or else the corpus's own and the label."""
    if fields == "none":
        return ()
    if fields:
        return tuple(name.strip() for name in fields.split(","))
    own = index.own_columns or [name for name in index.columns if name in OWN or name.startswith("self_influence")]
    return tuple(name for name in index.columns if name not in own or name == "label")


def text_of(query: Query) -> str:
    """A query's text, for people."""
    if not isinstance(query.source, RecordSource):
        return ""
    return "  ".join(f"{key}: {value}" for key, value in query.source.values.items() if key != "id" and isinstance(value, str))
