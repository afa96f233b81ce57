"""Results of a study on disk: tables with intervals as JSON, every measured row as Parquet; whole or not there at all."""

import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from attridex.client.errors import UsageError
from attridex.client.files import write_whole
from attridex.client.workbench.methods import StudyMethod, described
from attridex.client.workbench.statistics import Row
from attridex.indexer.packages import installed_versions
from attridex.v1.answers import Method, Setting

RESULT = "result.json"
PACKAGES = ("attridex", "numpy", "scipy", "torch", "transformers", "faiss-cpu", "duckdb")
NEEDED = frozenset({"tables", "facts", "notes", "config", "index", "common", "seed"})
"""What makes a JSON object a result."""


@dataclass(frozen=True)
class Meaning:
    """Sign and scale of a method's scores, in words."""

    sign: str
    scale: str


@dataclass(frozen=True)
class Findings:
    """What a study found.

    Attributes:
        tables: figures with intervals, by table name: rows of what is measured, how, and mean, low, high, n.
        rows: what was measured, by file name, one row a query or draw; no texts of the corpus.
        methods: what each method's scores mean, by its short name.
        notes: what a reader must know: what was left out and why, base rates, sizes.
        facts: single values, as counts.
    """

    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    methods: Mapping[str, Meaning] = field(default_factory=dict)
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudiedIndex:
    """What a result says of the index; no paths of a machine.

    Attributes:
        model: name of its directory; `model_hash` is of its files.
        corpus: fingerprint of the corpus.
        gradients: the section of the configuration; `neurons` too.
    """

    version: str
    instances: int
    task: str
    labels: Sequence[str]
    model: str
    model_hash: str
    corpus: str
    layers: int
    units: int
    site: str
    text_fields: Sequence[str]
    gradients: Mapping[str, Any]
    neurons: Mapping[str, Any]


@dataclass(frozen=True)
class StudiedRun:
    """What a result says of its run.

    Attributes:
        limit: at most so many queries and tests; None for no limit.
        common: settings that all studies share, as JSON holds them.
        queries: fingerprint of the queries.
    """

    seed: int
    limit: int | None
    common: Mapping[str, Any]
    queries: str
    index: StudiedIndex


@dataclass(frozen=True)
class StudyResult:
    """A study's result, in the order of its file.

    Attributes:
        config: the study's settings, as JSON holds them.
        times: when it was begun and ended, whether it was resumed, and seconds of the last run's work.
        method_details: every method that the server knew; empty in results that are older than they are.
        directory: where it was read from; no part of the file.
    """

    study: str
    title: str
    config: Mapping[str, Any]
    seed: int
    limit: int | None
    common: Mapping[str, Any]
    queries: str
    index: StudiedIndex
    versions: Mapping[str, str]
    times: Mapping[str, Any]
    tables: Mapping[str, Sequence[Row]]
    methods: Mapping[str, Meaning]
    notes: Sequence[str]
    facts: Mapping[str, Any]
    method_details: Sequence[Method] = ()
    directory: Path | None = None

    def content(self) -> Row:
        """As the file holds it."""
        found = asdict(self)
        del found["directory"]
        return found

    def rows(self, table: str) -> Sequence[Row]:
        """A table's rows; none where it is missing."""
        return self.tables.get(table) or ()

    def is_baseline(self, method: str) -> bool:
        """Whether a method knows nothing of the model."""
        return described(self.method_details, StudyMethod.parse(method).method).baseline


def read_result(directory: Path) -> StudyResult | None:
    """A study's result; None where it is not done.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    path = directory / RESULT
    if not path.exists():
        return None
    content = read_object(path)
    if missing := NEEDED - content.keys():
        raise UsageError(f"{path}: not a result of a study: it lacks {', '.join(sorted(missing))}")
    return parsed_result(directory, content)


def read_object(path: Path) -> Mapping[str, Any]:
    """A JSON file that holds an object.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: not a result of a study")
    return content


def parsed_result(directory: Path, content: Mapping[str, Any]) -> StudyResult:
    """A result as a file holds it; what an older one lacks is empty."""
    empty: dict[str, Any] = {
        "study": directory.name, "title": directory.name, "limit": None, "queries": "", "versions": {}, "times": {},
        "directory": directory,
    }  # fmt: skip
    known = {each.name for each in fields(StudyResult)}
    index = {each.name: content["index"].get(each.name) for each in fields(StudiedIndex)}
    return StudyResult(**{
        **empty, **{key: value for key, value in content.items() if key in known},
        "index": StudiedIndex(**index),
        "methods": {name: Meaning(**words) for name, words in content.get("methods", {}).items()},
        "method_details": tuple(map(parsed_method, content.get("method_details", ()))),
    })  # fmt: skip


def parsed_method(content: Mapping[str, Any]) -> Method:
    """A method's description as a file holds it."""
    settings = tuple(Setting(**{**each, "choices": tuple(each["choices"])}) for each in content["settings"])
    return Method(**{**content, "settings": settings, "sources": tuple(content["sources"])})


def write_findings(directory: Path, findings: Findings, result: StudyResult) -> None:
    """Write Parquet files, then result.json, which says that the study is done."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, rows in findings.rows.items():
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows)), stream, compression="zstd")
        write_whole(directory / f"{name}.parquet", stream.getvalue())
    write_json(directory / RESULT, result.content())


def write_json(path: Path, content: Any) -> None:
    """A JSON file, whole or not at all."""
    write_whole(path, f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode())


def versions() -> dict[str, str]:
    """Versions of what computes the results."""
    return {"python": platform.python_version(), **installed_versions(PACKAGES)}
