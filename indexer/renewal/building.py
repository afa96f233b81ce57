"""A build that mends first what was built and is damaged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from attridex.indexer.building.build import Built
from attridex.indexer.building.build import build as build_whole
from attridex.indexer.config import Config
from attridex.indexer.index.layout import CURRENT, CURRENT_COPY, VERSIONS, paths_in
from attridex.indexer.progress import say_all
from attridex.indexer.renewal.mending import Told
from attridex.indexer.renewal.repair import repair
from attridex.indexer.signing.signer import Signer


def build(
    config: Config, index: Path, *, show_progress: bool = True, check: Callable[[Signer], None] = lambda _signer: None
) -> Built:
    """Build an index, finish one that was begun with the same settings, or mend a damaged one.

    Args:
        config: what it is built from.
        index: the index directory.
        show_progress: whether a bar or lines go to stderr.
        check: is given what signs the instances before any work, and may refuse it.

    Raises:
        InputError: the corpus, the model or the settings are not sound; nothing is written then.
        DamageError: something is damaged and cannot be mended.
        BusyError: another process is building it.
    """
    begun = [*(index / name for name in (CURRENT, CURRENT_COPY)), *paths_in(index, VERSIONS)]
    there = any(path.exists() for path in begun)
    mended = repair(index, config, show_progress=show_progress) if there else Told()
    say_all([f"mended: {line}" for line in mended], enabled=show_progress)
    built = build_whole(config, index, show_progress=show_progress, check=check, verified=there)
    return replace(built, signed=mended.signed + built.signed)
