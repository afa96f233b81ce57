"""One range of instances becomes one shard: the unit of work, of resuming and of checking."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.indexer.building.plan import Plan
from attridex.indexer.corpus.columns import RULES
from attridex.indexer.corpus.instances import RenderedInstance, stored_encoding
from attridex.indexer.curvature.kfac import FactorSums
from attridex.indexer.errors import DamageError
from attridex.indexer.files import publish
from attridex.indexer.index.directory import index_format, read_sidecar
from attridex.indexer.index.layout import ACTIVATIONS, ATTRIBUTIONS, GRADIENTS, HIDDEN, SIDECAR, TRACIN, shard_dir, shard_name
from attridex.indexer.index.records import LeftOut, Sidecar, file_entries, write_record
from attridex.indexer.index.shards import ShardContents, write_shard
from attridex.indexer.index.tables import Row
from attridex.indexer.index.verify import check_shard
from attridex.indexer.neurons.scores import dcns_weights
from attridex.indexer.progress import Advance
from attridex.indexer.sections import FACTORED
from attridex.indexer.signing.signature import Decision, GradientReading, NeuronReading, ScoredNeuron
from attridex.indexer.signing.signer import Signer

Float32 = NDArray[np.float32]


def is_whole(index: Path, plan: Plan, name: str, *, verified: bool = False) -> bool:
    """Whether a shard is there, of this plan, and byte for byte what was written.

    Args:
        index: the index directory.
        plan: of the build.
        name: of the shard.
        verified: it was compared with what was written just now, and is not read again.
    """
    check = read_sidecar if verified else check_shard
    try:
        return check(index, name).plan == plan.id
    except DamageError:
        return False


def whole_ranges(index: Path, plan: Plan, *, verified: bool = False) -> dict[str, int]:
    """Names of the shards that are there, with their rows; see `is_whole`."""
    named = zip(plan.ranges, plan.shards, strict=True)
    return {name: stop - start for (start, stop), name in named if is_whole(index, plan, name, verified=verified)}


def build_range(
    signer: Signer,
    plan: Plan,
    index: Path,
    start: int,
    instances: Sequence[RenderedInstance],
    advance: Advance,
    *,
    keep_whole: bool = False,
) -> Sidecar:
    """Sign instances and write their shard; nothing of it is visible before it is whole.

    Args:
        signer: signs them.
        plan: of the build.
        index: the index directory.
        start: place of the first in the corpus.
        instances: of the range [start, start + n).
        advance: hears of instances that are signed.
        keep_whole: a shard of this plan that is whole stays: another worker was given it when this one was taken for lost.
    """
    results = signed_range(signer, plan, instances, advance)
    name = shard_name(start, start + len(instances))
    if keep_whole and is_whole(index, plan, name):
        return read_sidecar(index, name)
    return write_range(results, plan, index, start, instances)


def signed_range(signer: Signer, plan: Plan, instances: Sequence[RenderedInstance], advance: Advance) -> "RangeResults":
    """What a range's shard is written of.

    Args:
        signer: signs the instances.
        plan: of the build.
        instances: of the range.
        advance: hears of instances that are signed.
    """
    results = RangeResults(signer, plan, len(instances))
    results.sign(instances, advance)
    return results


def write_range(results: "RangeResults", plan: Plan, index: Path, start: int, instances: Sequence[RenderedInstance]) -> Sidecar:
    """Write the shard of instances that are signed.

    Args:
        results: what was signed.
        plan: of the build.
        index: the index directory.
        start: place of the first in the corpus.
        instances: of the range [start, start + n).
    """
    stop = start + len(instances)
    good, bad = results.sound(instances, start)
    with publish(shard_dir(index, shard_name(start, stop))) as directory:
        results.write(directory, instances, good)
        number = index_format(index)
        sidecar = Sidecar(
            format=number,
            plan=plan.id,
            start=start,
            stop=stop,
            rows=len(good),
            tokens=sum(instances[row].tokens for row in good),
            truncated=sum(instances[row].truncated for row in good),
            bad=bad,
            files=file_entries(directory, number),
            **({"since": plan.since} if number > 2 else {}),
        )
        write_record(directory / SIDECAR, sidecar)
    return sidecar


def vector_dims(signer: Signer) -> dict[str, int]:
    """Dimensions of each kind of vector that an index stores, by its file's name."""
    found = {GRADIENTS: signer.gradient_dim, HIDDEN: signer.arch.hidden}
    if signer.config.neurons.enabled:
        found |= {ACTIVATIONS: signer.scorer.dense.dim, ATTRIBUTIONS: signer.scorer.dense.dim}
    if signer.checkpoints:
        found[TRACIN] = signer.gradient_dim * len(signer.checkpoints)
    return found


class RangeResults:
    """Arrays of one range, filled batch by batch; their size bounds the build's memory."""

    def __init__(self, signer: Signer, plan: Plan, rows: int) -> None:
        """Room for `rows` instances."""
        self._signer, self._plan = signer, plan
        self.vectors = {name: np.zeros((rows, dim), np.float32) for name, dim in vector_dims(signer).items()}
        self.decided: dict[int, Decision] = {}
        self.factors: FactorSums | None = None
        self.loss = np.full(rows, np.nan)  # a row that is not signed is not sound
        self.neurons = plan.config.neurons.enabled
        self.kept: list[list[ScoredNeuron]] = [[] for _ in range(rows)]
        self.scored = np.ones(rows, bool)

    def sign(self, instances: Sequence[RenderedInstance], advance: Advance) -> None:
        """Gradients first, then neurons; `advance` counts an instance when its last pass is done, and hears 0 on the way."""
        self.take_gradients(instances, range(len(instances)), (lambda _count: advance(0)) if self.neurons else advance)
        self.score_neurons(instances, range(len(instances)), advance)

    def take_gradients(self, instances: Sequence[RenderedInstance], at: Sequence[int], advance: Advance) -> None:
        """Sign instances but for their neurons; `at` says which row each one has."""
        label = self._plan.config.gradients.label
        if FACTORED & set(self._plan.config.gradients.curvature):
            self.factors = self.factors or FactorSums(self._signer.gradients.blocks)
        for batch in self._signer.gradient_batches(instances, label=label, tracin=True, factors=self.factors):
            for position, reading in zip(batch.positions, batch.readings, strict=True):
                self._decide(at[position], reading)
            advance(len(batch.positions))

    def _decide(self, row: int, reading: GradientReading) -> None:
        self.vectors[GRADIENTS][row], self.vectors[HIDDEN][row] = reading.gradient, reading.hidden
        if reading.tracin is not None:
            self.vectors[TRACIN][row] = reading.tracin
        self.decided[row], self.loss[row] = reading.decision, reading.loss

    def score_neurons(
        self, instances: Sequence[RenderedInstance], at: Sequence[int], advance: Advance, *, fast: bool = False
    ) -> None:
        """Score the neurons of instances whose gradients are taken, if the index keeps neurons.

        Args:
            instances: rendered texts.
            at: their rows.
            advance: hears of instances.
            fast: take activation times gradient whatever rule the index has.
        """
        if self.neurons:
            for scored in self._signer.scorer.scores(instances, [self.decided[row] for row in at], fast=fast):
                self._keep(at[scored.position], scored.neurons)
                advance(1)

    def _keep(self, row: int, neurons: NeuronReading) -> None:
        self.vectors[ACTIVATIONS][row], self.vectors[ATTRIBUTIONS][row] = neurons.activation, neurons.attribution
        self.scored[row] = bool(np.isfinite(neurons.scores).all() and np.isfinite(neurons.activation).all())
        self.kept[row] = self._signer.kept(neurons.scores) if self.scored[row] else []

    def sound(self, instances: Sequence[RenderedInstance], start: int) -> tuple[list[int], list[LeftOut]]:
        """Rows whose numbers are all finite, and what is wrong with the others."""
        kinds = {GRADIENTS: "gradient", TRACIN: "gradient", HIDDEN: "hidden state"}
        finite = [("loss", np.isfinite(self.loss))]
        finite += [(what, np.isfinite(self.vectors[name]).all(1)) for name, what in kinds.items() if name in self.vectors]
        finite.append(("neuron scores", self.scored))
        wrong = [next((what for what, fine in finite if not fine[row]), None) for row in range(len(instances))]
        places = [row for row, what in enumerate(wrong) if what]
        bad = [LeftOut(id=instances[row].id, position=start + row, reason=f"{wrong[row]} not finite") for row in places]
        return [row for row, what in enumerate(wrong) if not what], bad

    def write(self, directory: Path, instances: Sequence[RenderedInstance], rows: list[int]) -> None:
        """Write the given rows as the files of a shard."""
        neurons = neuron_columns([self.kept[row] for row in rows], self._signer.units) if self.neurons else None
        contents = ShardContents(
            rows=rows,
            vectors=self.vectors,
            predictions=even([self.decided[row].probabilities for row in rows]),
            instances=[self._describe(instances[row], row) for row in rows],
            neurons=neurons,
            factors=self.factors.tensors() if self.factors else None,
            encodings=[stored_encoding(instances[row]) for row in rows] if self._plan.config.corpus.keeps_encodings else None,
        )
        write_shard(directory, contents, self._plan.survey.columns, self._plan.precision)

    def _describe(self, instance: RenderedInstance, row: int) -> Row:
        columns = self._plan.survey.columns
        stored = RULES[self._plan.config.corpus.rendering].stored
        return {
            "id": instance.id,
            "content_hash": instance.key,
            "label": instance.label_name,
            "predicted": self.decided[row].said,
            "loss": float(self.loss[row]),
            "tokens": instance.tokens,
            "truncated": instance.truncated,
            **{name: stored(instance.fields[name], kind) for name, kind in columns.items()},
        }


def even(rows: Sequence[Float32]) -> Float32:
    """Rows of different lengths as one array, the missing ends NaN."""
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan, np.float32)
    for at, row in enumerate(rows):
        table[at, : len(row)] = row
    return table


def neuron_columns(kept: Sequence[Sequence[ScoredNeuron]], units: int) -> dict[str, NDArray[Any]]:
    """Kept neurons of each instance as columns of the neurons table; `units` is F."""
    counts = [len(neurons) for neurons in kept]
    weights = [dcns_weights([neuron.score for neuron in neurons]) for neurons in kept if neurons]
    return {
        "row": np.repeat(np.arange(len(kept), dtype=np.int32), counts),
        "neuron": np.array([each.layer * units + each.unit for neurons in kept for each in neurons], np.int32),
        "score": np.array([each.score for neurons in kept for each in neurons], np.float32),
        "rank": np.array([rank for neurons in kept for rank in range(1, len(neurons) + 1)], np.int32),
        "weight": np.concatenate(weights) if weights else np.zeros(0),
    }
