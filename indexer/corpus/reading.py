"""Reading a corpus: records with their place, from JSONL, CSV, Parquet or a Hugging Face dataset."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.rendering import Instance, Renderer
from attridex.indexer.errors import InputError, nearest
from attridex.indexer.index.layout import RESERVED, is_reserved


@dataclass(frozen=True)
class Record:
    """A record and its place ("file:line"), for errors."""

    values: Mapping[str, Any]
    where: str


def read_records(corpus: CorpusConfig) -> Iterator[Record]:
    """All records of a corpus, in order, one at a time.

    Raises:
        InputError: a file is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    if corpus.dataset is not None:
        yield from read_dataset(corpus)
    for name in corpus.files:
        yield from read_file(Path(name))


def read_file(path: Path) -> Iterator[Record]:
    """Records of one file, by its suffix."""
    readers = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".parquet": read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown kind of file; use .jsonl, .csv or .parquet")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    yield from readers[path.suffix](path)


def read_jsonl(path: Path) -> Iterator[Record]:
    """One JSON object a line; blank lines are skipped."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}:{number}: not valid JSON: {error}") from None
            if not isinstance(values, dict):
                raise InputError(f"{path}:{number}: a JSON object is needed, found {type(values).__name__}")
            yield Record(values, f"{path}:{number}")


def read_csv(path: Path) -> Iterator[Record]:
    """Comma-separated values with a header line."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            for values in reader:
                where = f"{path}:{reader.line_num}"
                if None in values or None in values.values():
                    raise InputError(f"{where}: the line has not as many values as the header has columns")
                yield Record(values, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{reader.line_num + 1}: not valid CSV: {error}") from None


def read_parquet(path: Path) -> Iterator[Record]:
    """Rows of a Parquet file, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(values, f"{path}:{number}")
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from None


def read_dataset(corpus: CorpusConfig) -> Iterator[Record]:
    """A split of a Hugging Face dataset: a name on the Hub, or a directory."""
    import datasets

    name = str(corpus.dataset)
    try:
        if (Path(name) / "dataset_info.json").exists() or (Path(name) / "dataset_dict.json").exists():
            data = datasets.load_from_disk(name)
            data = data[corpus.split] if isinstance(data, datasets.DatasetDict) else data
        else:
            data = datasets.load_dataset(name, corpus.config, split=corpus.split)
    except Exception as error:  # datasets raises dozens of types; each is the user's input or network
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f'corpus.dataset = "{name}": cannot be loaded ({corpus.split}): {reason}') from None
    for number, values in enumerate(data):
        yield Record(values, f"{name}[{corpus.split}]:{number}")


@dataclass
class Survey:
    """What one pass over a corpus found, before any model work.

    Attributes:
        instances: how many there are.
        tokens: over all instances.
        truncated: how many were cut to fit the model.
        fingerprint: SHA-256 over ids, contents and fields in order.
        columns: DuckDB type of each text and metadata column.
    """

    instances: int = 0
    tokens: int = 0
    truncated: int = 0
    fingerprint: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def survey(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Survey:
    """Check every record and count them.

    Raises:
        InputError: a missing column, an unknown label, a duplicate id, an empty text, a reserved column name, or
            no instance at all; with the place and the value.
    """
    columns = [*corpus.metadata, *renderer.text_fields]
    for name in columns:
        if is_reserved(name):
            raise InputError(
                f"corpus: the column '{name}' has a name that attridex uses itself; rename it ({', '.join(RESERVED)})"
            )
    found, digest = Survey(), hashlib.sha256()
    seen: set[bytes] = set()
    types: dict[str, set[str]] = {name: set() for name in columns}
    example: Mapping[str, Any] = {}
    for record, instance in rendered(corpus, renderer, labels_needed=labels_needed):
        example = record.values
        check_id(instance.id, record.where, seen)
        found.instances += 1
        found.tokens += instance.tokens
        found.truncated += instance.truncated
        for name in columns:
            types[name].add(column_type(instance.fields[name]))
        digest.update(json.dumps([instance.id, instance.key, dict(instance.fields)], sort_keys=True, default=str).encode())
    if not found.instances:
        raise InputError(f"{', '.join(corpus.files) or corpus.dataset}: no instances in the corpus")
    for name in corpus.metadata:
        if types[name] == {"NULL"}:
            raise InputError(f"corpus.metadata: no record has a column '{name}'; {nearest(name, example)}")
    found.columns = {name: merged_type(kinds) for name, kinds in types.items()}
    found.fingerprint = digest.hexdigest()
    return found


def rendered(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Iterator[tuple[Record, Instance]]:
    """Records with their instances; an empty `corpus.id` numbers them, `corpus.per_token` makes one of each target token."""
    for number, record in enumerate(read_records(corpus)):
        values = record.values
        if not corpus.id:
            values = {**values, corpus.id: str(number)}
        elif values.get(corpus.id) in (None, ""):
            raise InputError(
                f"{record.where}: missing column '{corpus.id}' (corpus.id); {nearest(corpus.id, values)}; "
                'id = "" numbers the instances'
            )
        instance = renderer.render(values, record.where)
        if labels_needed and instance.label_name is None:
            raise InputError(
                f"{record.where}: missing column '{corpus.label}' (corpus.label); {nearest(corpus.label, values)}; "
                'gradients.label = "predicted" needs none'
            )
        for part in renderer.per_token(instance) if corpus.per_token else [instance]:
            yield record, part


def check_id(identity: str, where: str, seen: set[bytes]) -> None:
    """Refuse an id that stood before; 16 bytes an id are kept."""
    key = hashlib.blake2b(identity.encode(), digest_size=16).digest()
    if key in seen:
        raise InputError(f"{where}: duplicate id '{identity}'; ids must be unique over the corpus")
    seen.add(key)


def column_type(value: Any) -> str:
    """DuckDB type for one value."""
    if value is None:
        return "NULL"
    for kind, name in ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE")):
        if isinstance(value, kind):
            return name
    return "VARCHAR"


def merged_type(kinds: set[str]) -> str:
    """DuckDB type for a column whose values have these types."""
    kinds = kinds - {"NULL"}
    if kinds <= {"BIGINT", "DOUBLE"} and kinds:
        return "DOUBLE" if "DOUBLE" in kinds else "BIGINT"
    return kinds.pop() if len(kinds) == 1 else "VARCHAR"


def as_column(value: Any, kind: str) -> Any:
    """A value as its column stores it; structures become JSON text."""
    if value is None:
        return None
    if kind == "VARCHAR":
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return float(value) if kind == "DOUBLE" else value
