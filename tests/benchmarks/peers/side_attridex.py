"""attridex: `build`, then questions in process by records, as texts that the service has not seen before."""

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from job import Corpus, Job, K, begin, report

from attridex.client import Client
from attridex.indexer.building.build import build
from attridex.indexer.config import Config, parse_config
from attridex.indexer.models.renderers import make_renderer

PRECISION = os.environ.get("PRECISION", "float32")
CORPUS = {
    "causal-lm": {"segments": ["{prompt}"], "target": "{answer}"},
    "sequence-classification": {"segments": ["{text}"]},
}


def records(job: Job, corpus: Corpus) -> list[dict[str, Any]]:
    """The corpus as texts; for causal-lm all words but the first are the target."""
    texts = [[f"w{token}" for token in tokens] for tokens in corpus.tokens]
    if job.task == "causal-lm":
        return [{"id": str(row), "prompt": words[0], "answer": " ".join(words[1:])} for row, words in enumerate(texts)]
    return [
        {"id": str(row), "text": " ".join(words), "label": label}
        for row, (words, label) in enumerate(zip(texts, corpus.labels, strict=True))
    ]


def configuration(job: Job, directory: Path) -> Config:
    """Gradients of all linear layers, projected on both sides, and nothing about neurons."""
    data = {
        "model": {"path": str(directory / "model"), "task": job.task, "device": "cpu"},
        "corpus": {"files": [str(directory / "train.jsonl")], **CORPUS[job.task]},
        "gradients": {"parameters": "linear", "projection": "kronecker", "dim": job.dim},
        "neurons": {"enabled": False},
        "index": {"precision": PRECISION},
        "engine": {"batch_tokens": job.batch * job.length, "threads": job.threads},
    }
    return parse_config(data, "job", directory)


def check_tokens(config: Config, record: dict[str, Any], tokens: list[int]) -> None:
    """The same tokens as the other sides."""
    rendered = list(make_renderer(config).render(record, "record").sequences[0])
    assert rendered == tokens, f"{rendered[:5]} is not {tokens[:5]}"


def main() -> None:
    job, directory, index = begin()
    corpus = Corpus.read(directory)
    texts = records(job, corpus)
    (directory / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in texts))
    config = configuration(job, directory)
    check_tokens(config, texts[0], corpus.tokens[0])

    def open_index() -> Callable[[int], int]:
        client = Client.local(index)

        def ask(row: int) -> int:
            answer = client.attribute_instances([texts[row]], method="grad-cos", k=K)
            return int(answer.results[0].hits[0].id)

        return ask

    name = f"attridex {version('attridex')} {PRECISION}"
    report(job, name, lambda: build(config, index, show_progress=False), index, open_index)


main()
