"""The index directory: which files it has, and what each of them holds.

INDEX/plan.json                  what every range of the first build is built from
INDEX/CURRENT                    "<version> <sha256 of its manifest> <entries of the log> <sha256 of its last line>"
INDEX/CURRENT.copy               the same; written before it, so that either mends the other
INDEX/deletes.log                what was deleted and undeleted, a sealed line each (`deletes`)
INDEX/deletes.copy               the same; written before it
INDEX/.lock                      held by whoever writes
INDEX/source/                    rows, model and configuration of a training whose own script made the index (from_trainer)
INDEX/batches/<number>.json      what later batches are built from (append, update), from 2 on, sealed; 1 is a copy of plan.json
INDEX/batches/<number>.copy      the same; written before it, so that either mends the other
INDEX/shards/<start>-<stop>/     one range of instances: SHARD_FILES; shard.json is written last
INDEX/versions/<v>/              one view of all shards: VERSION_FILES; manifest.json is written last

Nothing that is written is ever edited: a build adds shards, a version is a new directory, and CURRENT moves on.

Batches and deletes. A batch is what one build, append or update signs. Its plan holds `since`: how many entries the log had when
the batch was planned (the first build: 0, which plan.json does not say). A shard belongs to one batch: its sidecar names the
batch's plan by hash (`plan`) and repeats its `since`; signed again from that plan it is the same shard. A version lists its
shards in the order of their rows, each with its `since` (`ShardEntry`, which repeats the sidecar's). An entry of the log hides,
in every version, the rows of an id in shards whose `since` is less than the entry's number: a row that was planned later is
live. Names of shards count on through the batches: the first range of a batch begins where the last one's ended, the rows of
that range that are left out, replaced or deleted included. A shard's name may end in ".<entries>" for each compaction that it
went through: it then lacks the rows that so many first entries of the log hide. A compaction may merge shards that lie one behind
the other into one, whose name goes from the first one's start to the last one's stop: its `parts` name them, its `plan` is the
first one's, and its `since` the largest of theirs, which hides the same of its rows, as all of them were live.

Format 2 has no log, no copies and no batches: CURRENT has two words, and a version's deleted rows stand in its tombstones.npy.

Letters: n instances of a shard or version, d stored dimensions of a gradient, h hidden size, c checkpoints, C outputs,
s dimensions of a dense signature, m kept neurons over all instances, L layers of F units.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FORMAT, FORMATS = 3, (2, 3)
"""What is written, and what is read."""
CURRENT, CURRENT_COPY, PLAN, LOCK = "CURRENT", "CURRENT.copy", "plan.json", ".lock"
DELETES, DELETES_COPY, BATCHES, COPY = "deletes.log", "deletes.copy", "batches", ".copy"
SOURCE, SOURCE_RECORD = "source", "source.json"
"""Rows, model and configuration of a training whose own script made the index, and what lists them."""
SHARDS, VERSIONS = "shards", "versions"
MOST_ROWS = (1 << 31) - 1
"""Of an index: a row's number is an int32 in its postings, and has ten digits in the name of its shard."""

NUMBER = "[1-9][0-9]{0,17}"
NAMES = {
    VERSIONS: re.compile(NUMBER),
    SHARDS: re.compile(rf"[0-9]{{10}}-[0-9]{{10}}(?:\.{NUMBER})*"),
    BATCHES: re.compile(rf"{NUMBER}(?:\.json|\{COPY})"),
}
"""What attridex calls versions, shards and plans of batches; whatever else lies beside them is none."""

# Files of a shard.
SIDECAR = "shard.json"
GRADIENTS, NORMS = "gradients.faiss", "norms.npy"
HIDDEN, HIDDEN_NORMS = "hidden.faiss", "hidden_norms.npy"
TRACIN, TRACIN_NORMS = "tracin.faiss", "tracin_norms.npy"
ACTIVATIONS, ATTRIBUTIONS = "activations.faiss", "attributions.faiss"
NORMS_OF = {GRADIENTS: NORMS, HIDDEN: HIDDEN_NORMS, TRACIN: TRACIN_NORMS}
"""Files of norms by the vectors' own; of other vectors no norms are kept."""
NEURONS, INSTANCES, ENCODINGS = "neurons.parquet", "instances.parquet", "encodings.parquet"
PREDICTIONS, FACTORS = "predictions.npy", "factors.safetensors"
SUMMED = "rows"
"""Tensor [1] of FACTORS in a shard that was compacted: the instances that the sums are over, removed ones counted."""

# Files of a version.
MANIFEST, MANIFEST_COPY = "manifest.json", "manifest.copy"
CATALOG, CURVATURE, TOMBSTONES = "catalog.duckdb", "curvature.safetensors", "tombstones.npy"
CSC_INDPTR, CSC_ROWS, CSC_WEIGHTS, CSC_SCORES = "csc_indptr.npy", "csc_rows.npy", "csc_weights.npy", "csc_scores.npy"
CSR_INDPTR, CSR_NEURONS, CSR_SCORES = "csr_indptr.npy", "csr_neurons.npy", "csr_scores.npy"
BM25 = {
    "data_name": "bm25_data.npy",
    "indices_name": "bm25_indices.npy",
    "indptr_name": "bm25_indptr.npy",
    "vocab_name": "bm25_vocab.json",
    "params_name": "bm25_params.json",
    "nnoc_name": "bm25_nonoccurrence.npy",
}
"""What bm25s calls its files, and their names here."""
WORD_COUNTS, WORD_LENGTHS = "bm25_counts.npy", "bm25_lengths.npy"
ADDED, ADDED_COPY = "columns.parquet", "columns.copy"
ORDER, ORDERED_NORMS = "approximate_rows.npy", "approximate_norms.npy"
PIECES = "approximate_*.faiss"


class FileKind(NamedTuple):
    """One kind of file: its name (or a pattern of names), what it holds and in which form, and when there is one."""

    name: str
    holds: str
    form: str
    when: str = "always"


UNIT = "flat FAISS index, float32 or float16"
NEURONS_ON = "neurons.enabled"
STRUCTURES_ON = "index.approximate"
ENCODINGS_ON = "corpus.messages, documents or encoded"
SHARD_FILES = (
    FileKind(SIDECAR, "the range, its rows, instances left out, size and SHA-256 of each other file", "sealed JSON, Sidecar"),
    FileKind(GRADIENTS, "training gradients of length 1 [n, d]", UNIT),
    FileKind(NORMS, "their norms [n]", "float32"),
    FileKind(HIDDEN, "states that the head reads, of length 1 [n, h]", UNIT),
    FileKind(HIDDEN_NORMS, "their norms [n]", "float32"),
    FileKind(TRACIN, "gradients at the checkpoints, one after the other, of length 1 [n, c d]", UNIT, "model.checkpoints"),
    FileKind(TRACIN_NORMS, "their norms [n]", "float32", "model.checkpoints"),
    FileKind(ACTIVATIONS, "dense activation signatures of length 1 [n, s]", UNIT, NEURONS_ON),
    FileKind(ATTRIBUTIONS, "dense attribution signatures of length 1 [n, s]", UNIT, NEURONS_ON),
    FileKind(NEURONS, "row, neuron, score, rank, weight of every kept neuron, by row in descending score", "Parquet", NEURONS_ON),
    FileKind(INSTANCES, "OWN_COLUMNS and the corpus's columns, a row an instance", "Parquet"),
    FileKind(ENCODINGS, "tokens, their types, and what has a loss, a row an instance", "Parquet", ENCODINGS_ON),
    FileKind(PREDICTIONS, "output probabilities [n, C], NaN where an instance has fewer outputs", "float32"),
    FileKind(
        FACTORS,
        "sums of K-FAC's factors: <layer>.a, <layer>.s, <layer>.tokens; `rows` where a compaction has removed some",
        "float64 tensors",
        "kfac or ekfac",
    ),
)
VERSION_FILES = (
    FileKind(MANIFEST, "what the version is, how it was made, its shards and the SHA-256 of its files", "sealed JSON, Manifest"),
    FileKind(MANIFEST_COPY, "the same, which mends it", "sealed JSON, Manifest", "format 3"),
    FileKind(CATALOG, "tables instances, predictions, neurons, neuron_statistics, neuron_labels, runs", "DuckDB"),
    FileKind(ADDED, "columns that were added to the corpus's, a row an instance", "Parquet", "add-columns"),
    FileKind(ADDED_COPY, "the same, which mends it", "Parquet", "add-columns"),
    FileKind(TOMBSTONES, "rows of deleted instances, ascending", "int64", "format 2"),
    FileKind(CURVATURE, "<kind>.<block>.values, .vectors; factors.<layer>.left, .right", "float64 tensors", "any curvature"),
    FileKind(
        FACTORS, "sums of K-FAC's factors, where those of the shards are over other rows", "float64 tensors", "kfac or ekfac"
    ),
    FileKind(CSC_INDPTR, "entries of neuron j are [indptr[j], indptr[j + 1]), in ascending row [L F + 1]", "int64", NEURONS_ON),
    FileKind(CSC_ROWS, "rows of the instances that keep it [m]", "int32", NEURONS_ON),
    FileKind(CSC_WEIGHTS, "its weight in each of them, for DCNS [m]", "float32", NEURONS_ON),
    FileKind(CSC_SCORES, "its score in each of them [m]", "float32", NEURONS_ON),
    FileKind(CSR_INDPTR, "entries of row i are [indptr[i], indptr[i + 1]), in descending score [n + 1]", "int64", NEURONS_ON),
    FileKind(CSR_NEURONS, "numbers layer F + unit of its kept neurons [m]", "int32", NEURONS_ON),
    FileKind(CSR_SCORES, "the score of each of them [m]", "float32", NEURONS_ON),
    *(FileKind(name, "part of the BM25 index of the text fields", "as bm25s writes it") for name in BM25.values()),
    FileKind(WORD_COUNTS, "how often the word of each entry of the BM25 index stands in its row", "int32"),
    FileKind(WORD_LENGTHS, "words of each row [n]", "int32"),
    FileKind(ORDER, "all rows in descending order of their gradients' norms [n]", "int64", STRUCTURES_ON),
    FileKind(ORDERED_NORMS, "those norms [n]", "float32", STRUCTURES_ON),
    FileKind(PIECES, "a piece of a structure for approximate search: approximate_<structure>_<piece>", "FAISS", STRUCTURES_ON),
)


class Column(NamedTuple):
    """A column of the instances table and its DuckDB type."""

    name: str
    type: str


ROW = "row"
OWN_COLUMNS = {
    "id": "VARCHAR",
    "content_hash": "VARCHAR",
    "label": "VARCHAR",
    "predicted": "VARCHAR",
    "loss": "DOUBLE",
    "gradient_norm": "DOUBLE",
    "tokens": "INTEGER",
    "truncated": "BOOLEAN",
}
"""Columns of the instances table beside ROW, the self-influences and the corpus's own."""
RESERVED = (ROW, *OWN_COLUMNS)
"""Names that a column of the corpus may not have, in any case of letters; nor any that begins with SELF_INFLUENCE."""
SELF_INFLUENCE = "self_influence"
SHOWN = "shown_"
"""Begins the table's name of a column that a text shows and that is called as one of attridex's own."""


def self_influence_columns(kinds: Sequence[str]) -> list[str]:
    """Names of the columns: `self_influence` by inner product, and one for each curvature at its default damping."""
    return [SELF_INFLUENCE, *(f"{SELF_INFLUENCE}_{kind}" for kind in kinds if kind != "trak")]


def instance_columns(kinds: Sequence[str], corpus: Mapping[str, str]) -> list[Column]:
    """All columns of the instances table of an index with these curvatures and columns of its corpus, in their order."""
    own = {ROW: "BIGINT", **OWN_COLUMNS, **dict.fromkeys(self_influence_columns(kinds), "DOUBLE")}
    return [Column(name, kind) for columns in (own, corpus) for name, kind in columns.items()]


def is_of_training(index: Path) -> bool:
    """Whether an index was built by `from_trainer`, which compares its losses with those of the training."""
    return (index / SOURCE / SOURCE_RECORD).is_file()


def is_reserved(name: str) -> bool:
    """Whether a column's name is attridex's own."""
    return name.lower() in RESERVED or name.lower().startswith(SELF_INFLUENCE)


def stored_name(name: str) -> str:
    """What the table calls a column that an input form shows: its name, or where that is attridex's own another."""
    return f"{SHOWN}{name}" if is_reserved(name) else name


def shown_name(stored: str) -> str:
    """The column that the table calls so; see `stored_name`."""
    name = stored.removeprefix(SHOWN)
    return name if is_reserved(name) else stored


def own_columns(columns: Iterable[Column]) -> list[str]:
    """Names of the columns that are attridex's own, of those of an index."""
    return [column.name for column in columns if is_reserved(column.name)]


def shard_name(start: int, stop: int) -> str:
    """Directory name of a range."""
    return f"{start:010d}-{stop:010d}"


def is_named(place: str, name: str) -> bool:
    """Whether a name is one that attridex gives in a place of an index: VERSIONS, SHARDS or BATCHES."""
    return NAMES[place].fullmatch(name) is not None


def paths_in(index: Path, place: str) -> list[Path]:
    """What an index has in such a place, by number."""
    found = [path for path in (index / place).glob("*") if is_named(place, path.name)]
    return sorted(found, key=lambda path: (number_in(path), path.name))


def number_in(path: Path) -> int:
    """The number that such a name begins with: a version's, that of a shard's first row, or a batch's."""
    return int(re.split("[.-]", path.name, maxsplit=1)[0])


def start_of(shard: str) -> int:
    """Where the range of the shard of a name begins."""
    return number_in(Path(shard))


def shard_dir(index: Path, name: str) -> Path:
    """Directory of a shard."""
    return index / SHARDS / name


def version_dir(index: Path, version: str) -> Path:
    """Directory of a version."""
    return index / VERSIONS / version
