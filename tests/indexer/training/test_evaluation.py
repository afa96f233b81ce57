"""Training's parts: what it starts from, the order of its batches, and what an evaluation says."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attridex.indexer.config import Config, load_config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.errors import InputError
from attridex.indexer.training.evaluation import evaluate
from attridex.indexer.training.start import begin, training_of
from attridex.indexer.training.trainer import EpochSampler, work_dir


@pytest.fixture
def config(project: Callable[..., Path], model_dir: Callable[..., Path]) -> Callable[[str], Config]:
    def make(task: str) -> Config:
        labels = {"labels": ["a", "b", "c"]} if task == "sequence-classification" else {}
        return load_config(project("opt", 6, task, corpus=labels, training={"base": str(model_dir("opt", task))}))

    return make


@pytest.mark.parametrize("task", ["sequence-classification", "multiple-choice", "causal-lm"])
def test_an_evaluation_is_each_instance_s_loss_and_whether_its_answer_is_right(
    task: str, config: Callable[[str], Config]
) -> None:
    made = config(task)
    start = begin(made)
    start.reader.arch.model.eval().requires_grad_(False)
    instances = [each for _, each in rendered(made.corpus, start.renderer, labels_needed=True)]
    found = evaluate(start.reader, instances)
    for instance, loss, right in zip(instances, found.losses, found.right, strict=True):
        logits = [start.reader.arch.model(torch.tensor([ids])).logits[0] for ids in instance.sequences]
        if instance.reads:
            z, wanted = logits[0][-len(instance.reads) - 1 : -1], torch.tensor(instance.sequences[0][-len(instance.reads) :])
            assert right == (tuple(z.argmax(1).tolist()) == instance.wanted)
        else:
            z, wanted = torch.cat(logits)[None], torch.tensor([instance.label])
            assert right == (int(z.argmax()) == instance.label)
        assert loss == pytest.approx(float(torch.nn.functional.cross_entropy(z, wanted)), rel=1e-4)


def test_the_same_configuration_starts_from_the_same_new_head(config: Callable[[str], Config]) -> None:
    made = config("sequence-classification")
    heads = [begin(made).reader.arch.head.get_parameter("weight") for _ in range(2)]
    assert torch.equal(*heads)
    with pytest.raises(InputError, match=r"no \[training\] section"):
        training_of(made.model_copy(update={"training": None}))


def test_the_order_of_batches_follows_from_seed_and_epoch_alone() -> None:
    lengths = [3 + number % 7 for number in range(40)]

    def order(seed: int, *epochs: int) -> list[int]:
        sampler = EpochSampler(4, lengths, seed)
        for epoch in epochs:
            sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(order(0)) == list(range(40))
    assert order(0, 1, 2) == order(0, 2) != order(0, 1)
    assert order(1) != order(0)
    assert work_dir(Path("models/tuned")) == Path("models/tuned.checkpoints")
