"""Reading a corpus: records with their place, from JSONL, CSV, Parquet or a Hugging Face dataset."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError, first_line, nearest


@dataclass(frozen=True)
class CorpusRecord:
    """A record and its place ("file:line"), for errors."""

    values: Mapping[str, Any]
    where: str


def read_records(corpus: CorpusConfig) -> Iterator[CorpusRecord]:
    """All records of a corpus, in order, one at a time.

    Raises:
        InputError: a file is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    if corpus.dataset is not None:
        yield from read_dataset(corpus)
    for name in corpus.files:
        yield from read_file(Path(name))


def read_file(path: Path) -> Iterator[CorpusRecord]:
    """Records of one file, by its suffix."""
    readers = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".parquet": read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown kind of file; use .jsonl, .csv or .parquet")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    yield from readers[path.suffix](path)


def read_jsonl(path: Path) -> Iterator[CorpusRecord]:
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
            yield CorpusRecord(values, f"{path}:{number}")


def read_csv(path: Path) -> Iterator[CorpusRecord]:
    """Comma-separated values with a header line."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            for values in reader:
                where = f"{path}:{reader.line_num}"
                if None in values or None in values.values():
                    raise InputError(f"{where}: the line has not as many values as the header has columns")
                yield CorpusRecord(values, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{reader.line_num + 1}: not valid CSV: {error}") from None


def read_parquet(path: Path) -> Iterator[CorpusRecord]:
    """Rows of a Parquet file, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield CorpusRecord(values, f"{path}:{number}")
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from None


def read_dataset(corpus: CorpusConfig) -> Iterator[CorpusRecord]:
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
        raise InputError(f'corpus.dataset = "{name}": cannot be loaded ({corpus.split}): {first_line(error)}') from None
    for number, values in enumerate(data):
        yield CorpusRecord(values, f"{name}[{corpus.split}]:{number}")


def rendered(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Iterator[tuple[CorpusRecord, RenderedInstance]]:
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
