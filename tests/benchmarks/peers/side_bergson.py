"""bergson: `collect_gradients`, then `Attributor.trace` with exact search, the fastest of its searches at this size."""

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from bergson import Attributor, GradientProcessor, IndexConfig, collect_gradients
from bergson.data import allocate_batches
from datasets import Dataset
from job import PAD, TUNED, Corpus, Job, K, begin, report

Rows = tuple[list[list[int]], list[list[int]]]


def load(job: Job, directory: Path) -> torch.nn.Module:
    """The model as bergson's own command line has it: all frozen but the token embeddings, so that gradients flow.

    They are a language model's output weights too, whose gradient nobody needs; with TUNED=1 it is the positions' embeddings
    that are left. A classifier's head takes the place of the language model's, since bergson knows no other loss.
    """
    if job.task == "causal-lm":
        model = transformers.GPT2LMHeadModel.from_pretrained(directory / "model")
    else:
        classifier = transformers.GPT2ForSequenceClassification.from_pretrained(directory / "model")
        model = transformers.GPT2LMHeadModel(classifier.config)
        model.transformer, model.lm_head = classifier.transformer, classifier.score
    model.eval().requires_grad_(False)
    (model.transformer.wpe if TUNED else model.get_input_embeddings()).requires_grad_(True)
    return model


def rows_of(job: Job, corpus: Corpus) -> Rows:
    """Inputs and labels; a label stands one position after what predicts it, so a classifier gets one token more."""
    if job.task == "causal-lm":
        return corpus.tokens, corpus.tokens
    inputs = [[*tokens, PAD] for tokens in corpus.tokens]
    return inputs, [[-100] * job.length + [label] for label in corpus.labels]


def build(job: Job, directory: Path, index: Path) -> None:
    """From the model and the tokens to gradients on disk."""
    model = load(job, directory)
    inputs, labels = rows_of(job, Corpus.read(directory))
    width = len(inputs[0])
    data = Dataset.from_dict({"input_ids": inputs, "labels": labels, "length": [width] * job.rows})
    config = IndexConfig(run_path=str(index), projection_dim=job.side, token_batch_size=job.batch * width)
    config.partial_run_path.mkdir(parents=True)
    batches = allocate_batches(data["length"][:], config.token_batch_size)
    collect_gradients(model, data, GradientProcessor(projection_dim=job.side), config, batches=batches)
    shutil.move(config.partial_run_path, config.run_path)


def open_index(job: Job, directory: Path, index: Path) -> Callable[[int], int]:
    """Cosines, as the index of unit rows gives them."""
    model = load(job, directory)
    inputs, labels = (torch.tensor(rows) for rows in rows_of(job, Corpus.read(directory)))
    attributor = Attributor(index, device="cpu", unit_norm=True)

    def ask(row: int) -> int:
        with attributor.trace(model.base_model, K) as result:
            logits = model(inputs[row : row + 1]).logits[0, :-1]
            torch.nn.functional.cross_entropy(logits, labels[row, 1:]).backward()
            model.zero_grad()
        return int(result.indices.flatten()[0])

    return ask


def main() -> None:
    job, directory, index = begin()
    name = f"bergson {version('bergson')}{TUNED and ' tuned'}"
    report(job, name, lambda: build(job, directory, index), index, lambda: open_index(job, directory, index))


main()
