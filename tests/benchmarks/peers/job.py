"""The job that every side does: one model, one corpus, one set of queries, read from one directory.

Only the standard library is imported up here, so that each side's environment can read it.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

LAYERS, WIDTH, HEADS, VOCABULARY, LABELS, PAD = 4, 256, 4, 8192, 3, 0
MODULES = 4 * LAYERS
"""Linear layers of a GPT-2 body: c_attn and c_proj of attention, c_fc and c_proj of the FFN."""
SEED = 1
K = 5
"""Hits that a query asks for."""
TUNED = os.environ.get("TUNED", "")
"""Whether a peer is set up by hand to do no more than it must, rather than as its own examples or commands do."""


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        task: "causal-lm" (cross-entropy of every token after the first) or "sequence-classification" (at the last token).
        rows: training instances.
        length: tokens of an instance.
        queries: instances asked for, one at a time; they are the first training instances, so each should find itself.
        warmup: further ones asked before, untimed.
        side: numbers kept of each side of a layer's gradient, so side * side * MODULES are stored for an instance.
        batch: instances of a batch.
        threads: threads that each side may use.
    """

    task: str
    rows: int = 512
    length: int = 128
    queries: int = 32
    warmup: int = 4
    side: int = 16
    batch: int = 16
    threads: int = 2

    @property
    def dim(self) -> int:
        """Numbers stored for an instance."""
        return self.side * self.side * MODULES

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The job of a directory."""
        return cls(**json.loads((directory / "job.json").read_text()))


@dataclass(frozen=True)
class Corpus:
    """Token ids of each instance, and its label."""

    tokens: list[list[int]]
    labels: list[int]

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The corpus of a job's directory."""
        return cls(**json.loads((directory / "tokens.json").read_text()))


def write_job(job: Job, directory: Path) -> None:
    """Write the job, its corpus and its model, with random weights and random tokens: time does not depend on them."""
    import torch

    directory.mkdir(parents=True, exist_ok=True)
    (directory / "job.json").write_text(json.dumps(asdict(job)))
    generator = torch.Generator().manual_seed(SEED)
    tokens = torch.randint(1, VOCABULARY, (job.rows, job.length), generator=generator).tolist()
    labels = torch.randint(0, LABELS, (job.rows,), generator=generator).tolist()
    (directory / "tokens.json").write_text(json.dumps({"tokens": tokens, "labels": labels}))
    write_model(job, directory / "model")


def write_model(job: Job, path: Path) -> None:
    """A GPT-2 of few layers, and a tokenizer whose words w1, w2, ... are the token ids."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(SEED)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=2 * job.length, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, num_labels=LABELS,
        pad_token_id=PAD, bos_token_id=PAD, eos_token_id=PAD, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    kind = transformers.GPT2LMHeadModel if job.task == "causal-lm" else transformers.GPT2ForSequenceClassification
    kind(config).save_pretrained(path)
    words = Tokenizer(models.WordLevel({f"w{number}": number for number in range(VOCABULARY)}, unk_token=f"w{PAD}"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token=f"w{PAD}").save_pretrained(path)


def begin() -> tuple[Job, Path, Path]:
    """The job, its directory and an empty place for the index, from the command line; fixes the number of threads."""
    import torch

    directory, index = (Path(argument) for argument in sys.argv[1:3])
    job = Job.read(directory)
    torch.set_num_threads(job.threads)
    return job, directory, index


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of a call; the CPU seconds are those of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def report(
    job: Job, version: str, build: Callable[[], object], index: Path, open_index: Callable[[], Callable[[int], int]]
) -> None:
    """Measure one side and write its figures as a JSON line.

    Args:
        job: the job.
        version: the library and its version.
        build: from the model and the corpus on disk to the index on disk.
        index: where the index then is.
        open_index: opens it and gives what answers one query: from a row of the corpus to the row that comes first.
    """
    wall, cpu = measured(build)
    disk, memory = size_of(index), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ask = open_index()
    for row in range(job.queries, job.queries + job.warmup):
        ask(row)
    found: list[int] = []
    times = [measured(lambda row=row: found.append(ask(row))) for row in range(job.queries)]
    figures: dict[str, Any] = {
        "side": version,
        "build_wall_s": round(wall, 2),
        "build_cpu_s": round(cpu, 2),
        "disk_bytes": disk,
        "query_ms": round(1000 * statistics.median(wall for wall, _ in times), 2),
        "query_cpu_ms": round(1000 * sum(cpu for _, cpu in times) / job.queries, 2),
        "build_peak_mib": round(memory / 1024),
        "found_themselves": f"{sum(row == first for row, first in enumerate(found))}/{job.queries}",
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    os._exit(0)  # some libraries' threads outlive the job
