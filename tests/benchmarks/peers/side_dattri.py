"""dattri: `LoGraAttributor` with its cache on disk; scores are inner products, without a Hessian."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from dattri.algorithm.logra import LoGraAttributor
from dattri.task import AttributionTask
from job import TUNED, Corpus, Job, begin, report
from torch.utils.data import DataLoader
from transformers.pytorch_utils import Conv1D

Batches = DataLoader[dict[str, torch.Tensor]]


def without_pinning(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """`torch.zeros` that leaves memory unpinned: dattri pins its disk buffers, which fails where there is no CUDA."""

    def made(*args: Any, **options: Any) -> torch.Tensor:
        options.pop("pin_memory", None)
        return make(*args, **options)

    return made


def as_linear(module: Conv1D) -> torch.nn.Linear:
    """The same layer as nn.Linear, the only kind that dattri hooks."""
    linear = torch.nn.Linear(*module.weight.shape)
    linear.weight.data, linear.bias.data = module.weight.data.T.contiguous(), module.bias.data.clone()
    return linear


def load(job: Job, directory: Path) -> torch.nn.Module:
    """The model as it comes; with TUNED=1 all of it is frozen but the layers whose gradients are kept."""
    kind = transformers.GPT2LMHeadModel if job.task == "causal-lm" else transformers.GPT2ForSequenceClassification
    model = kind.from_pretrained(directory / "model").eval().requires_grad_(not TUNED)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Conv1D):
                setattr(module, name, as_linear(child))
    return model


def batches(job: Job, corpus: Corpus, rows: range, size: int) -> Batches:
    """Rows of the corpus; a language model's labels are its inputs."""
    labels: list[Any] = corpus.tokens if job.task == "causal-lm" else corpus.labels
    data = [{"input_ids": torch.tensor(corpus.tokens[row]), "labels": torch.tensor(labels[row])} for row in rows]
    return DataLoader(data, batch_size=size)  # type: ignore[arg-type]


def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor], _device: str) -> torch.Tensor:
    """Sum over instances; the model's own loss is their mean."""
    return model(**batch).loss * len(batch["input_ids"])


class Side:
    """The attributor, which must live from the build to the queries."""

    def __init__(self, job: Job, directory: Path, index: Path) -> None:
        """Nothing is done yet."""
        self.job, self.directory, self.index = job, directory, index

    def build(self) -> None:
        """From the model and the tokens to gradients on disk."""
        job, model = self.job, load(self.job, self.directory)
        names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and ".h." in name]
        self.corpus = Corpus.read(self.directory)
        self.train = batches(job, self.corpus, range(job.rows), job.batch)
        self.attributor = LoGraAttributor(
            AttributionTask(loss_func=loss, model=model, checkpoints=model.state_dict()), layer_names=names,
            hessian="Identity", device="cpu", proj_dim=job.side**2, offload="disk", cache_dir=str(self.index),
        )  # fmt: skip
        self.attributor.cache(self.train)

    def ask(self, row: int) -> int:
        """All scores of a query, then the best."""
        query = batches(self.job, self.corpus, range(row, row + 1), 1)
        return int(self.attributor.attribute(self.train, query).flatten().argmax())


def main() -> None:
    torch.zeros = without_pinning(torch.zeros)
    job, directory, index = begin()
    index.mkdir(parents=True)
    side = Side(job, directory, index)
    report(job, f"dattri {version('dattri')}{TUNED and ' tuned'}", side.build, index, lambda: side.ask)


main()
