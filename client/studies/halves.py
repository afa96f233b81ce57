"""Models retrained on random halves of the training data: the head alone, to its optimum on fixed states, or the whole model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from attridex.client.errors import UsageError
from attridex.client.workbench import heads
from attridex.client.workbench.context import Asked, Context, NotPossibleError, fingerprint
from attridex.client.workbench.ranking import Rows, drawn_pool
from attridex.client.workbench.retrained import retraining, training_configuration
from attridex.client.workbench.scores import save_array
from attridex.indexer.task_kinds import LANGUAGE_TASKS, MANY_ANSWERS

if TYPE_CHECKING:
    from attridex.indexer.training.evaluation import Evaluation

Retrain = Callable[[Rows, int], "Evaluation"]
"""Trains on a half, named by positions in the pool, with one of several seeds; gives losses [q] and who is right [q]."""


@dataclass(frozen=True)
class Pool:
    """Training instances that take part, and random halves of them.

    Attributes:
        ids: of the instances.
        rows: theirs in the index.
        halves: positions among them.
    """

    ids: Sequence[str]
    rows: Rows
    halves: Sequence[Rows]

    @classmethod
    def drawn(cls, context: Context, size: int, halves: int) -> Self:
        """Draw a pool of some size (0 takes all) and its halves by the run's seed."""
        instances = list(context.client.list_instances(fields=["id"]))
        pool = drawn_pool(len(instances), size, context.seed)
        chance = np.random.default_rng(context.seed)
        drawn = [np.sort(chance.permutation(len(pool))[: max(1, len(pool) // 2)]) for _ in range(halves)]
        return cls([instances[at].id for at in pool], np.array([instances[at].row for at in pool], np.int64), drawn)


class States(NamedTuple):
    """What the head reads of texts [n, J, h], and their labels [n]."""

    states: NDArray[np.float32]
    labels: NDArray[np.int64]


def check_retrained(task: str, retrain: str) -> None:
    """Refuse to retrain a head that is not one of labels.

    Raises:
        NotPossibleError: a language model has none, and one of numbers, or of several labels, is not fitted alone.
    """
    if retrain == "head" and task in LANGUAGE_TASKS:
        raise NotPossibleError('[lds]: a language model has no head of its own; set retrain = "model"')
    if retrain == "head" and task in MANY_ANSWERS:
        raise NotPossibleError(f'[lds]: the head of a {task} model is not fitted alone; set retrain = "model"')


def retrained(
    context: Context, retrain: Retrain, halves: Sequence[Rows], seeds: int, what: Literal["head", "model"]
) -> Iterator["Evaluation"]:
    """What models trained on each half say, seed after seed.

    Args:
        context: the run.
        retrain: trains on a half.
        halves: positions in the pool.
        seeds: trainings on each half.
        what: is trained, for the progress.
    """
    label = f"lds: retraining {'the head ' * (what == 'head')}on halves"
    with context.progress(label, seeds * len(halves), f"{what}s") as advance:
        for again in range(seeds):
            for half in halves:
                yield retrain(half, again)
                advance(1)


def model_retraining(context: Context, ids: Sequence[str], queries: Sequence[Asked]) -> Retrain:
    """The whole model, trained as the index's model was; `ids` are of the pool's instances."""
    trainer = retraining(context, training_configuration(context))
    tests = [trainer.render(query.record, f"query '{query.id}'") for query in queries]
    return lambda half, again: trainer.evaluation([ids[at] for at in half], tests, again=again)


def head_retraining(context: Context, ids: Sequence[str], queries: Sequence[Asked], ridge: float) -> Retrain:
    """The head alone, trained on the states of the index's model.

    Args:
        context: the run.
        ids: of the pool's instances.
        queries: those with a label.
        ridge: penalty of the head.
    """
    from attridex.indexer.training.evaluation import Evaluation

    (states, labels), (tests, gold) = fixed_states(context, ids, queries)
    scale = float(np.sqrt((states**2).mean()))  # a factor of the states is a factor of the weights
    states, tests = states / scale, tests / scale
    outputs = 1 if states.shape[1] > 1 else len(context.index.labels)
    start = heads.fit_head(states, labels, outputs, ridge)

    def retrain(half: Rows, _again: int) -> Evaluation:
        weights = heads.fit_head(states[half], labels[half], outputs, ridge, start)
        return Evaluation(heads.head_losses(tests, gold, weights), heads.head_logits(tests, weights).argmax(1) == gold)

    return retrain


def fixed_states(context: Context, ids: Sequence[str], queries: Sequence[Asked]) -> tuple[States, States]:
    """States of instances, and of queries; kept for a rerun."""
    from attridex.indexer.config import Config as IndexConfig
    from attridex.indexer.config import stored
    from attridex.indexer.corpus.reading import rendered
    from attridex.indexer.models.renderers import make_renderer
    from attridex.indexer.training.retraining import head_states

    index = IndexConfig.model_validate(stored(context.index.manifest["config"]))
    renderer = make_renderer(index)
    wanted = set(ids)
    corpus = {each.id: each for _, each in rendered(index.corpus, renderer, labels_needed=True) if each.id in wanted}
    if missing := wanted - corpus.keys():
        raise UsageError(f"[lds]: instance '{min(missing)}' of the index is not in the corpus files any more")
    every = [*(corpus[identity] for identity in ids), *(renderer.render(q.record, f"query '{q.id}'") for q in queries)]
    path = context.work(f"lds/states-{fingerprint([[each.id, each.key] for each in every])[:16]}.npy")
    if path.exists():
        states = np.load(path)
    else:
        with context.progress("lds: states", len(every), "texts") as advance:
            states = head_states(index, every, advance)
        save_array(path, states)
    labels = np.array([each.label for each in every], np.int64)
    n = len(ids)
    return States(states[:n], labels[:n]), States(states[n:], labels[n:])
