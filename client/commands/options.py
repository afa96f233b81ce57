"""Options that commands share, alone and in groups: dataclasses that stand for their fields in a command's signature."""

import atexit
import inspect
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from attridex.client.arguments import as_scoring
from attridex.client.errors import UsageError
from attridex.v1.requests import METHODS, Scoring

QUERY_FILE = (
    "JSONL, JSON, CSV, TSV or Parquet with the corpus's columns; but for Parquet also packed (.gz, .zst, .bz2, .xz); '-' reads "
    "JSON lines from standard input."
)
DELIMITER = "Between the columns of CSV and TSV queries; a comma or a tab unless given."
QUOTING = "Of CSV and TSV queries: minimal where quotes may stand around values, none where they belong to them."
DAMPING = "lambda of (H + lambda I)^-1; a tenth of H's mean eigenvalue unless given, for lissa 0.03."
FIELDS = "Columns to show, with commas; 'none' shows none. Unless given all of the corpus, in tables the label and one text."


def from_stdin(path: Path | None) -> Path | None:
    """A file with what stands on standard input, as JSON lines, for "-"; any other file itself. It is read more than once."""
    if path is None or str(path) != "-":
        return path
    directory = tempfile.TemporaryDirectory(prefix="attridex-")
    atexit.register(directory.cleanup)
    kept = Path(directory.name) / "stdin.jsonl"
    kept.write_bytes(sys.stdin.buffer.read())
    return kept


QueryFile = Annotated[Path | None, typer.Option("--queries", help=QUERY_FILE, callback=from_stdin)]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help=DELIMITER)]
Quoting = Annotated[str | None, typer.Option("--quoting", help=QUOTING)]
InstanceIds = Annotated[list[str] | None, typer.Option("--instance", help="Ask about a training instance; repeatable.")]
IndexDir = Annotated[Path | None, typer.Option("--index", help="Index directory or URL, opened in this process.")]
ModelPlace = Annotated[str | None, typer.Option("--model", help="Where the model of --index lies now.")]
ServerAddress = Annotated[str | None, typer.Option("--server", help="HOST:PORT of a running server.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token for the server; else ATTRIDEX_TOKEN in the environment.")
]
TlsCa = Annotated[Path | None, typer.Option("--tls-ca", help="CA of the server's certificate (PEM): connect over TLS.")]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", help="This client's certificate (PEM), where the server asks for one.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Its private key (PEM).")]
IndexName = Annotated[str, typer.Option("--name", help="The server's index, where it has several.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many queries.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write JSON lines there as a batch job that can be resumed.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds a request may take.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.")]
Where = Annotated[str | None, typer.Option("--where", help="Condition on instances: \"label = 'x' AND loss > 2\".")]
K = Annotated[int | None, typer.Option("--k", help="Instances a query; 10 unless given.")]
Fields = Annotated[str, typer.Option("--fields", help=FIELDS)]
Grouped = Annotated[
    str, typer.Option("--group", help="Sum the scores of instances with the same value of this column, as of a document.")
]
AllowPartial = Annotated[
    bool,
    typer.Option("--allow-partial", help="Take an answer of fewer shards, where shard groups of the server do not all answer."),
]
Method = Annotated[
    str, typer.Option("--method", help=f"{', '.join(METHODS)}; `attridex info INDEX` shows what an index can answer.")
]
NeuronMethod = Annotated[
    str | None,
    typer.Option(
        "--method", help="integrated-gradients, or activation-gradient (fast, approximate); as the index was built unless given."
    ),
]
Curvature = Annotated[str | None, typer.Option("--curvature", help="hessian, fisher, kfac or ekfac, for influence and lissa.")]
Damping = Annotated[float | None, typer.Option("--damping", help=DAMPING)]
LissaScale = Annotated[float | None, typer.Option("--lissa-scale", help="For lissa; 1e4 unless given.")]
LissaDepth = Annotated[int | None, typer.Option("--lissa-depth", help="For lissa; 1000 steps unless given.")]
Seed = Annotated[int | None, typer.Option("--seed", help="For random; 0 unless given.")]
Structure = Annotated[
    str | None,
    typer.Option("--approximate", help="sq8, rabitq, ivf, cagra or auto: search by a structure that the index was built with."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method's own; repeatable.")
]
Label = Annotated[str | None, typer.Option("--label", help="gold or predicted: whose loss the query's gradient is of.")]
Output = Annotated[
    str, typer.Option("--output", help="The output whose probability neurons are scored for; the predicted one unless given.")
]
MaxNewTokens = Annotated[
    int,
    typer.Option("--max-new-tokens", min=0, help="Ask about what a language model says next, where a query has no target."),
]
Verify = Annotated[bool, typer.Option("--no-verify", help="Do not check the index's files first.")]


@dataclass(frozen=True)
class ScoringOptions:
    """A method of instance attribution and its settings."""

    method: Method = "grad-dot"
    curvature: Curvature = None
    damping: Damping = None
    lissa_scale: LissaScale = None
    lissa_depth: LissaDepth = None
    seed: Seed = None
    approximate: Structure = None
    settings: Settings = None

    def scoring(self) -> Scoring:
        """The same as requests carry it.

        Raises:
            UsageError: a setting is not NAME=VALUE.
        """
        return as_scoring(None, {**asdict(self), "settings": read_settings(self.settings or [])})

    def asked(self) -> Mapping[str, object]:
        """What binds a batch job's file."""
        asked = asdict(self)
        return asked if self.settings else {name: value for name, value in asked.items() if name != "settings"}


def read_settings(texts: Sequence[str]) -> dict[str, str]:
    """Settings as "NAME=VALUE".

    Raises:
        UsageError: one is not, or a name stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--set {text}: write NAME=VALUE; `attridex info INDEX` shows a method's settings")
        if name in found:
            raise UsageError(f"--set {text}: '{name}' is set to '{found[name]}' already; give it once")
        found[name] = value
    return found


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters that are dataclasses of options are replaced by their fields.

    The fields stand where the parameter stood; those that are keyword-only stand at the end.
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters
    groups = {name: hints[name] for name in own if is_dataclass(hints[name])}
    options = [
        option
        for name, parameter in own.items()
        for option in (inspect.signature(groups[name]).parameters.values() if name in groups else [parameter])
    ]

    @wraps(command)
    def expanded(**given: Any) -> None:
        made = {name: group(**{each.name: given.pop(each.name) for each in fields(group)}) for name, group in groups.items()}
        command(**made, **given)

    expanded.__signature__ = inspect.Signature(sorted(options, key=lambda each: each.kind))  # type: ignore[attr-defined]
    expanded.__annotations__ = {option.name: option.annotation for option in options}
    return expanded
