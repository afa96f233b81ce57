"""Appending to an index, and updating records of it: only what comes in is signed."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.plan import Batch, Plan
from attridex.indexer.building.versions import left_out
from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.survey import Survey, survey
from attridex.indexer.errors import NumericError
from attridex.indexer.growth.batches import batch_numbers, begin, place_of, read_batch, with_files
from attridex.indexer.growth.grown import GrownVersion
from attridex.indexer.growth.models import check_model, signer_of
from attridex.indexer.growth.naming import BatchNames, check_known, check_new, live_owners, next_record
from attridex.indexer.index.deletes import Log
from attridex.indexer.index.directory import now, read_manifest, read_served, read_sidecar, write_current, writing
from attridex.indexer.index.layout import PLAN
from attridex.indexer.index.records import Manifest, read_sealed
from attridex.indexer.index.verify import check_own_files
from attridex.indexer.lifecycle.deleting import counted_log
from attridex.indexer.lifecycle.facts import VersionFacts, corpus_columns, facts_of_version
from attridex.indexer.lifecycle.staleness import there
from attridex.indexer.progress import say_all
from attridex.indexer.signing.row_checks import Samples


class Grown(NamedTuple):
    """What an append or update did.

    Attributes:
        version: that is current now.
        signed: instances that were signed now.
        instances: that came in.
        replaced: records whose rows are hidden now.
        left_out: records or instances that could not be used.
        stale: what is of all rows, and waits for a refresh.
    """

    version: str
    signed: int
    instances: int
    replaced: int
    left_out: int
    stale: tuple[str, ...]


class Appender:
    """Appends to an index, and updates it, with its model loaded once."""

    def __init__(self, index: Path, *, model: str | None = None, show_progress: bool = False) -> None:
        """Load the model.

        Args:
            index: the index directory.
            model: where its model lies now, if not where it was.
            show_progress: whether a bar or lines go to stderr.

        Raises:
            InputError: there is no index, or the model is not the one that it was built from.
        """
        self._index, self._show = index, show_progress
        manifest = read_manifest(index, read_served(index).version)
        if manifest.config.engine.threads is not None:
            torch.set_num_threads(manifest.config.engine.threads)
        self._signer = signer_of(index, manifest, model)
        self._identity = self._signer.identity()

    def append(self, files: Sequence[Path | str], *, skip_bad: bool = False) -> Grown:
        """Append the records of files, in the form that the index was built from; their ids are new, or were deleted.

        Args:
            files: of records.
            skip_bad: whether records that cannot be used are left out.

        Raises:
            InputError: an id is live, a record cannot be used, or the model is another; the index is as it was.
            DamageError: a file of the version before is not what was written; nothing of it is taken over.
            BusyError: another process writes.
        """
        return self._grow("append", files, skip_bad=skip_bad)

    def update(self, files: Sequence[Path | str], *, skip_bad: bool = False, by: str = "") -> Grown:
        """Replace records by those of files with the same ids: the old rows are hidden, the new ones live, in one step.

        Args:
            files: of records.
            skip_bad: whether records that cannot be used are left out.
            by: who asks for it, for the log of deletes.

        Raises:
            NumericError: an instance that would replace another is not finite; the index is as it was.
            InputError: an id was never there, a record cannot be used, or the model is another; the index is as it was.
            DamageError: a file of the version before is not what was written; nothing of it is taken over.
            BusyError: another process writes.
        """
        return self._grow("update", files, skip_bad=skip_bad, by=by)

    def _grow(self, action: str, files: Sequence[Path | str], *, skip_bad: bool, by: str = "") -> Grown:
        with writing(self._index) as current:
            manifest, log = read_manifest(self._index, current.version), counted_log(self._index)
            check_own_files(self._index, manifest)
            check_model(self._index, manifest, self._identity, self._signer.config.model.path)
            config = with_files(manifest.config, files, skip_bad=skip_bad)
            first = next_record(self._index, manifest)
            names = BatchNames(config.corpus, corpus_columns(manifest))
            found = self._survey(config, manifest, names, first)
            if action == "append" and self._is_in(manifest, log, names, found):
                say_all([f"{self._index}: the last append was of these very records; they are in"], enabled=self._show)
                return told(manifest, manifest, 0, 0)
            replaced = self._checked(action, manifest, log, names)
            longer = log.with_entry(now(), "delete", replaced, [None] * len(replaced), by or action) if replaced else log
            since, built = log.head.seq + bool(replaced), first_instances(self._index)
            batch = Batch(0, action, 0, since, first, built, skip_bad, config.corpus.files)
            plan = Plan(config, self._identity, self._signer.labels, found, batch=batch)
            batch = place_of(self._index, plan.settings, {entry.name for entry in manifest.shards})
            plan = replace(plan, batch=batch).checked()
            begin(self._index, batch, plan.settings)
            say_all(found.remarks, enabled=self._show)
            signed = build_ranges(plan, self._signer, self._index, show_progress=self._show)
            check_replaced(self._index, plan.shards, names, replaced)
            names_of = [*(entry.name for entry in manifest.shards), *plan.shards]
            writer = GrownVersion(self._index, grown_facts(self._index, manifest, plan), names_of, manifest, longer)
            grown = writer.write(manifest)
            write_current(self._index, grown.version, longer if replaced else None)
        return told(manifest, grown, signed, len(replaced))

    def _survey(self, config: Config, manifest: Manifest, names: BatchNames, first: int) -> Survey:
        samples = Samples()

        def see(instance: RenderedInstance) -> None:
            names.see(instance)
            samples.see(instance)

        needed = config.gradients.label == "gold"
        columns = corpus_columns(manifest)
        found = survey(config.corpus, self._signer.renderer, labels_needed=needed, see=see, first=first, columns=columns)
        self._signer.rows.check_all(samples)
        return found

    def _is_in(self, manifest: Manifest, log: Log, names: BatchNames, found: Survey) -> bool:
        """Whether the last batch is an append of these records, all of them live: it may have been killed as it ended."""
        numbers = batch_numbers(self._index)
        last = read_batch(self._index, numbers[-1]) if numbers else {}
        same = (last.get("action"), last.get("corpus")) == ("append", found.fingerprint)
        return same and len(live_owners(self._index, manifest, log, names)) == len(names.owners)

    def _checked(self, action: str, manifest: Manifest, log: Log, names: BatchNames) -> list[str]:
        """The records that are replaced."""
        if action == "append":
            check_new(self._index, manifest, log, names)
            return []
        check_known(self._index, manifest, names)
        return live_owners(self._index, manifest, log, names)


def check_replaced(index: Path, shards: Sequence[str], names: BatchNames, replaced: Collection[str]) -> None:
    """Refuse an update that would hide rows of a record and have nothing to put there.

    Args:
        index: the index directory.
        shards: of the update, which are there.
        names: of its instances.
        replaced: records whose rows it would hide.

    Raises:
        NumericError: an instance of one was left out; the first is named.
    """
    bad = [entry for shard in shards for entry in read_sidecar(index, shard).bad if names.owner(entry.id) in replaced]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise NumericError(
            f"{index}: '{bad[0].id}'{more} cannot replace what is there ({bad[0].reason}); nothing is changed; update without it"
        )


def first_instances(index: Path) -> int:
    """Instances of the first build."""
    found: int = read_sealed(index / PLAN)["instances"]
    return found


def grown_facts(index: Path, manifest: Manifest, plan: Plan) -> VersionFacts:
    """What a version knows beside its shards once a batch has come in."""
    facts = facts_of_version(manifest, corpus_columns(manifest), [read_sidecar(index, entry.name) for entry in manifest.shards])
    corpus, found = manifest.corpus, plan.survey
    total = {
        "fingerprint": hashlib.sha256(f"{corpus.fingerprint} {found.fingerprint}".encode()).hexdigest(),
        "instances": plan.ranges[-1].stop,
        "tokens": corpus.tokens + found.tokens,
    }
    return replace(facts, corpus=corpus.model_copy(update=total), unusable=[*facts.unusable, *map(left_out, found.unusable)])


def told(before: Manifest, grown: Manifest, signed: int, replaced: int) -> Grown:
    """What was done.

    Args:
        before: the version before.
        grown: the version that is current now.
        signed: instances that were signed now.
        replaced: records whose rows are hidden now.
    """
    stale = tuple(name for name in there(grown) if grown.basis(name).rows < grown.instances)
    return Grown(grown.version, signed, grown.instances - before.instances, replaced, len(grown.bad) - len(before.bad), stale)


def append(
    index: Path, files: Sequence[Path | str], *, skip_bad: bool = False, model: str | None = None, show_progress: bool = True
) -> Grown:
    """Append the records of files to an index; an `Appender` loads the model once for many of them.

    Args:
        index: the index directory.
        files: of records; see `Appender.append`, also for what it raises.
        skip_bad: whether records that cannot be used are left out.
        model: where the index's model lies now, if not where it was.
        show_progress: whether a bar or lines go to stderr.
    """
    return Appender(Path(index), model=model, show_progress=show_progress).append(files, skip_bad=skip_bad)


def update(
    index: Path,
    files: Sequence[Path | str],
    *,
    skip_bad: bool = False,
    model: str | None = None,
    show_progress: bool = True,
    by: str = "",
) -> Grown:
    """Replace records of an index by those of files with the same ids.

    Args:
        index: the index directory.
        files: of records; see `Appender.update`, also for what it raises.
        skip_bad: whether records that cannot be used are left out.
        model: where the index's model lies now, if not where it was.
        show_progress: whether a bar or lines go to stderr.
        by: who asks for it, for the log of deletes.
    """
    return Appender(Path(index), model=model, show_progress=show_progress).update(files, skip_bad=skip_bad, by=by)
