"""From a configuration to a served version: survey, plan, ranges, commit. Every step may be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.plan import bind, prepared
from attridex.indexer.building.versions import commit
from attridex.indexer.config import Config
from attridex.indexer.index.directory import write_lock
from attridex.indexer.index.records import Manifest
from attridex.indexer.models.checkpoints import checkpoint_rates
from attridex.indexer.progress import say_all
from attridex.indexer.signing.signer import Signer


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes:
        manifest: of the version that is now current.
        signed: instances signed in this run; the others were there.
    """

    manifest: Manifest
    signed: int


def build(
    config: Config, index: Path, *, show_progress: bool = True, check: Callable[[Signer], None] = lambda _signer: None
) -> Built:
    """Build an index, or finish one that was begun with the same settings.

    Args:
        config: what it is built from.
        index: the index directory.
        show_progress: whether a bar or lines go to stderr.
        check: is given what signs the instances before any work, and may refuse it.

    Raises:
        InputError: the corpus, the model or the settings are not sound; nothing is written then.
        BusyError: another process is building it.
    """
    model = config.model.model_copy(update={"checkpoint_rates": checkpoint_rates(config.model)})
    plan, signer = prepared(config.model_copy(update={"model": model}), index)
    check(signer)
    with write_lock(index):
        bind(plan, index)
        say_all(plan.survey.remarks, enabled=show_progress)
        signed = build_ranges(plan, signer, index, show_progress=show_progress)
        return Built(commit(index, plan, signer), signed)
