"""The JSON records of an index, sealed: a record carries the SHA-256 of itself, so that any flipped bit shows."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_serializer,
    field_validator,
    model_serializer,
)

from attridex.indexer.config import Config, stored
from attridex.indexer.errors import AGAIN, DamageError, InputError
from attridex.indexer.files import JsonObject, file_hash, json_bytes, write_synced
from attridex.indexer.fit import Fit
from attridex.indexer.held.files import Written
from attridex.indexer.held.inside import plain_name, plain_path
from attridex.indexer.held.sums import file_checksums, sums_text
from attridex.indexer.index.layout import FORMAT, SHARDS, VERSIONS, Column, is_named, shown_name

FileName = Annotated[str, AfterValidator(plain_name)]
"""Of a file or directory of the index: what somebody else wrote names nothing elsewhere."""
FilePath = Annotated[str, AfterValidator(plain_path)]
"""Of a file below a directory."""
Count = Annotated[int, Field(ge=0)]


def name_in(place: str) -> AfterValidator:
    """Refuses what is no name in a place of an index; see `layout.is_named`."""

    def check(name: str) -> str:
        if not is_named(place, name):
            raise ValueError(f"a name as those in {place}/ is needed")
        return name

    return AfterValidator(check)


class Record(BaseModel):
    """A JSON record of the index; unknown keys are damage or a newer format, so they are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    newer: ClassVar[tuple[str, ...]] = ()
    """Keys that older records lack: one that was read without them is written without them."""

    @model_serializer(mode="wrap")
    def as_read(self, dump: SerializerFunctionWrapHandler) -> JsonObject:
        """The record, without newer keys that did not stand in it."""
        unset = set(self.newer) - self.model_fields_set
        data: JsonObject = dump(self)
        return {key: value for key, value in data.items() if key not in unset}


R = TypeVar("R", bound=Record)


class FileEntry(Record):
    """Size and SHA-256 of one file, and the CRC-32 of each 64 KiB of it, eight hexadecimal digits each (from format 3 on)."""

    newer = ("blocks",)
    bytes: Count
    sha256: str
    blocks: str = ""

    @property
    def written(self) -> Written:
        """What a reader compares it with."""
        return Written(self.bytes, self.sha256, self.blocks)


class Part(Record):
    """A shard that was merged with others into a larger one: the name that it had, and its rows there."""

    name: Annotated[str, name_in(SHARDS)]
    rows: Count


class ShardEntry(Record):
    """A shard as the manifest lists it: its directory, its rows, the hash of its sidecar, and what that says, too."""

    newer = ("since", "parts")
    name: Annotated[str, name_in(SHARDS)]
    rows: Count
    sha256: str
    since: int = 0
    parts: tuple[Part, ...] = ()


class LeftOut(Record):
    """An instance that is not in the index: its id, its place in the corpus from 0, and why.

    The place is counted among the instances that were read; of a record that could not be used among all records.
    """

    id: str
    position: int
    reason: str


class Sidecar(Record):
    """shard.json: written last, it makes a shard whole.

    `since` is how many entries the log of deletes had when the shard's batch was planned; those do not concern its rows. `parts`
    are there where a compaction merged several shards into this one: those, in the order of its rows.
    """

    newer = ("since", "parts")
    format: int = FORMAT
    plan: str
    start: int
    stop: int
    rows: Count
    tokens: int
    truncated: int
    bad: list[LeftOut]
    files: dict[FileName, FileEntry]
    since: int = 0
    parts: tuple[Part, ...] = ()


class Source(Record):
    """source.json: the files of a training that its own script handed over, by their path below it."""

    format: int = FORMAT
    files: dict[FilePath, FileEntry]


class Block(Record):
    """A layer's part [start, stop) of a gradient vector: [rows, columns] numbers, 1 row where they have no such form."""

    name: str
    start: int
    stop: int
    rows: int
    columns: int


class ModelFacts(Record):
    """What the index knows of its model; `units` are those of a layer, of all its experts where it has any."""

    newer = ("experts", "expert_units", "shared_units", "dense_layers")
    path: str
    hash: str
    tokenizer_hash: str
    family: str
    labels: list[str]
    layers: int
    units: int
    hidden: int
    experts: int = 0
    expert_units: int = 0
    shared_units: list[int] = []
    dense_layers: list[int] = []


class CorpusFacts(Record):
    """What the index knows of its corpus, instances that were left out counted."""

    fingerprint: str
    instances: int
    text_fields: list[str]
    tokens: int

    @property
    def shown_columns(self) -> list[str]:
        """What records call the `text_fields`."""
        return list(map(shown_name, self.text_fields))


OF_CURVATURE, OF_NEURONS, OF_WORDS, OF_STRUCTURES = "curvature", "neuron_statistics", "bm25", "approximate"
STATISTICS = (OF_CURVATURE, OF_NEURONS, OF_WORDS, OF_STRUCTURES)
"""What a version takes of all its rows together, and what answers call it where it is stale."""


class Basis(Record):
    """What statistics were taken of: the first `rows` rows, but those that the first `entries` entries of the log hide."""

    rows: int
    entries: int


class Manifest(Record):
    """manifest.json: one version of an index, self-describing.

    `deleted` counts the tombstones of format 2; from format 3 on it is 0 on disk, since the log of deletes says what is hidden.
    `added` names those of its columns that are neither the corpus's nor attridex's own. `statistics` says of which rows each of
    what needs all of them was taken; see `basis`. `factors_of` is there where a compaction has removed instances that K-FAC's
    factors are sums over: how many those are of.
    """

    newer = ("fit", "added", "statistics", "factors_of")
    format: int = FORMAT
    version: Annotated[str, name_in(VERSIONS)]
    created: str
    task: str
    instances: Count
    deleted: Count
    truncated: int
    bad: list[LeftOut]
    config: Config
    model: ModelFacts
    corpus: CorpusFacts
    gradient_dim: int
    blocks: list[Block]
    metric: str = "inner_product"
    precision: str
    sign: str
    label: str
    curvatures: list[str]
    checkpoints: list[str]
    neurons: bool
    signature_dim: int
    signature_projected: bool
    columns: list[Column]
    shards: list[ShardEntry]
    files: dict[FileName, FileEntry]
    recall: dict[str, float] = {}
    agreement: dict[str, float] = {}
    fit: Fit | None = None
    factors_of: int = 0
    libraries: dict[str, str]
    revision: str | None
    added: list[str] = []
    statistics: dict[str, Basis] = {}

    def basis(self, name: str) -> Basis:
        """What a statistic was taken of; where that is not said, of all rows, whatever is deleted."""
        return self.statistics.get(name, Basis(rows=self.instances, entries=0))

    @property
    def number(self) -> str:
        """The version's directory: its name without the entries of the log that a served one names."""
        return self.version.partition("+")[0]

    @field_validator("config", mode="before")
    @classmethod
    def rules_of_its_time(cls, config: Any) -> Any:
        """An index that does not say by which rules it reads records is of number 1."""
        return stored(config) if isinstance(config, Mapping) else config

    @field_serializer("config")
    def config_as_stored(self, config: Config) -> JsonObject:
        """The settings that stood in the file and no newer ones, keys sorted as there."""
        data: JsonObject = json.loads(json_bytes(config.model_dump(mode="json", exclude_unset=True)))
        if data["corpus"].get("rendering") == 1:
            del data["corpus"]["rendering"]
        return data


def explicit(config: Config) -> Config:
    """The same configuration with every setting set, so that a manifest names all of them."""
    return Config.model_validate(config.model_dump(mode="json"))


def seal(data: Mapping[str, Any]) -> bytes:
    """JSON with a `seal`: the SHA-256 of the same JSON without it."""
    return json_bytes({**data, "seal": hashlib.sha256(json_bytes(data)).hexdigest()})


def unseal(content: bytes, where: Path) -> JsonObject:
    """Read sealed JSON.

    Raises:
        DamageError: a byte differs from what was written.
    """
    try:
        data = json.loads(content)
        del data["seal"]
        whole = seal(data) == content
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise DamageError(f"{where}: damaged (its content does not match its seal); {AGAIN}")
    return dict(data)


def read_sealed(path: Path) -> JsonObject:
    """Read a sealed JSON file.

    Raises:
        DamageError: it is missing, or a byte differs from what was written.
    """
    try:
        return unseal(path.read_bytes(), path)
    except FileNotFoundError:
        raise DamageError(f"{path}: missing; {AGAIN}") from None
    except OSError as error:
        raise DamageError(f"{path}: cannot be read ({error.strerror})") from None


def write_record(path: Path, record: Record) -> None:
    """Write a record, sealed, and push it to the disk."""
    write_synced(path, seal(record.model_dump(mode="json")))


def parse_record(kind: type[R], data: Mapping[str, Any], where: Path) -> R:
    """A record of unsealed JSON.

    Raises:
        InputError: a key is unknown or missing, or a value is none that this attridex knows.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
        reason = "".join(each if each.isprintable() else "?" for each in said)  # keys may be somebody else's
        raise InputError(f"{where}: not a record that this attridex knows ({reason}); build the index anew") from None


def file_entry(path: Path, number: int = 2) -> FileEntry:
    """Size and hash of a file, from format 3 on with the sums of its blocks; `number` is the format."""
    if number == 2:
        return FileEntry(bytes=path.stat().st_size, sha256=file_hash(path))
    found = file_checksums(path)
    return FileEntry(bytes=path.stat().st_size, sha256=found.sha256, blocks=sums_text(found.blocks))


def file_entries(directory: Path, number: int = 2) -> dict[str, FileEntry]:
    """Size and hashes of every file of a directory, by name; see `file_entry`."""
    return {path.name: file_entry(path, number) for path in sorted(directory.iterdir())}


def tree_entries(directory: Path) -> dict[str, FileEntry]:
    """Size and hash of every file below a directory, by its path there."""
    return {str(path.relative_to(directory)): file_entry(path) for path in sorted(directory.rglob("*")) if path.is_file()}
