"""The local engine: this process, one model, range after range."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from attridex.indexer.building.plan import Plan
from attridex.indexer.building.ranges import build_range, whole_ranges
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.progress import progress
from attridex.indexer.signing.signer import Signer


def build_ranges(
    plan: Plan,
    signer: Signer,
    index: Path,
    *,
    show_progress: bool,
    begin: Callable[[], None] = lambda: None,
    verified: bool = False,
) -> int:
    """Build every range that is not there yet, in one pass over the corpus.

    Args:
        plan: of the build.
        signer: signs instances.
        index: the index directory.
        show_progress: whether a bar or lines go to stderr.
        begin: is called before the first of them, if any is left to be built.
        verified: every shard that is there was compared with what was written just now.

    Returns:
        How many instances were signed now; the rest was there from an earlier run.
    """
    whole = whole_ranges(index, plan, verified=verified)
    done = sum(whole.values())
    if len(whole) == len(plan.shards):
        return 0
    begin()
    needed = plan.config.gradients.label == "gold"
    stream = rendered(plan.config.corpus, signer.renderer, labels_needed=needed, first=plan.first_record)
    with progress("Indexing", plan.survey.instances, "instances", enabled=show_progress, done=done) as advance:
        for (start, stop), name in zip(plan.ranges, plan.shards, strict=True):
            instances = [instance for _, instance in islice(stream, stop - start)]
            if name not in whole:
                build_range(signer, plan, index, start, instances, advance)
    return plan.survey.instances - done
