"""What a server says of a change to its index, in the words that are said of a directory."""

from attridex.v1.administration import Compacted, Deleted, Migrated, Pruned, Repaired, Undeleted


def deleted(done: Deleted) -> str:
    """After a delete."""
    from attridex.indexer.commands.readable import counted

    return f"{counted(done.deleted, 'instance')} deleted; version {done.index_version} is served"


def undeleted(done: Undeleted) -> str:
    """After an undelete."""
    from attridex.indexer.commands.readable import counted

    return f"{counted(done.undeleted, 'instance')} undeleted; version {done.index_version} is served"


def compacted(done: Compacted) -> str:
    """After a compaction."""
    from attridex.indexer.commands.readable import counted, still_read

    held = f"; {still_read(done.held)}, texts too: `attridex prune` removes what nobody reads any more" if done.held else ""
    return f"{counted(done.removed, 'instance')} removed from the disk; version {done.index_version} is served{held}"


def pruned(done: Pruned) -> str:
    """After older versions were removed."""
    from attridex.indexer.commands.readable import counted, still_read

    return f"{counted(len(done.removed), 'version')} removed{f'; {still_read(done.held)}' if done.held else ''}"


def repaired(done: Repaired) -> str:
    """After a repair."""
    mended = "; ".join(f"mended: {line}" for line in done.mended) or "whole, nothing to mend"
    return f"{mended}; version {done.index_version} is served"


def migrated(done: Migrated) -> str:
    """After a migration."""
    return f"format {done.format}; version {done.index_version} is served"
