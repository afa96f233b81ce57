"""Measuring the check of fit: of what an index stores, or on a sample before there is one."""

from collections.abc import Iterable, Iterator, Sequence

from attridex.indexer.building.pace import Pace
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.tally import Answer, Tally, Told
from attridex.indexer.fit import Fit
from attridex.indexer.index.records import Sidecar
from attridex.indexer.index.shards import Shard
from attridex.indexer.signing.signer import Signer

SECONDS, FEW = 4.0, 16
"""That a sample is read for, about; instances that are read however long they take, since fewer tell nothing."""


def fit_of(answers: Iterable[Answer], tally: Tally) -> Fit | None:
    """The check of fit of what a model says; None where the corpus says nothing to hold it against."""
    found = list(answers)
    if counted := sum(answer.targets for answer in found):
        loss = sum(answer.loss * answer.targets for answer in found) / counted
        return Fit("loss", loss, tally.baseline, counted)
    counted = sum(answer.told for answer in found)
    if not counted or not (tally.labels or tally.goals.count):
        return None
    if tally.measure == "error":
        return Fit("error", sum(answer.loss for answer in found if answer.told) / counted, tally.baseline, counted)
    return Fit("right", sum(answer.right for answer in found) / counted, tally.baseline, counted, tally.majority)


def sample_fit(signer: Signer, sample: Sequence[RenderedInstance], tally: Tally, pace: Pace) -> Fit | None:
    """The check of fit on as much of a sample as is read in a few seconds, few instances at least.

    Args:
        signer: of the index.
        sample: instances in any order.
        tally: of the whole corpus.
        pace: of the signer; to read an instance takes no longer than its gradient does.
    """
    budget, chosen = SECONDS, list[RenderedInstance]()
    for instance in sorted(sample, key=lambda each: each.key):  # as drawn by lot
        budget -= pace.gradients * instance.tokens
        if len(chosen) >= FEW and budget < 0:
            break
        chosen.append(instance)
    return fit_of(said_of(signer, chosen, tally), tally)


def said_of(signer: Signer, instances: Sequence[RenderedInstance], tally: Tally) -> Iterable[Answer]:
    """What the model says of instances, held against what their corpus says."""
    for batch in signer.gradient_batches(instances, gradient=False):
        for position, reading in zip(batch.positions, batch.readings, strict=True):
            instance = instances[position]
            yield tally.answer(Told(instance.label_name, instance.wanted), reading.said, reading.loss)


def answers(tally: Tally, shards: Sequence[Shard], sidecars: Sequence[Sidecar]) -> Iterator[Answer]:
    """What the model says of the instances, as the shards store it."""
    for shard, sidecar in zip(shards, sidecars, strict=True):
        table = shard.instances(["label", "predicted", "loss"]).to_pydict()
        gone = {left.position for left in sidecar.bad}
        places = [place for place in range(sidecar.start, sidecar.stop) if place not in gone]
        for place, label, predicted, loss in zip(places, *table.values(), strict=True):
            yield tally.answer(tally.told(place, label), predicted, loss)
