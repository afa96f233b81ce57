"""The command `verify`: every file of an index against what was written."""

from attridex.indexer.commands.options import IndexPath, Json, emit, say


def verify(index: IndexPath, as_json: Json = False) -> None:
    """Check every file of an index against what was written; exit code 1 if any differs."""
    from attridex.indexer.errors import DamageError
    from attridex.indexer.index import verify as checks

    files, problems = 0, []
    for path, problem in checks.verify(index):
        files += 1
        if problem:
            problems.append({"file": str(path), "problem": problem})
            say(f"error: {problem}")
    if as_json:
        emit({"index": str(index), "files": files, "problems": problems})
    if problems:
        raise DamageError(f"{index}: {len(problems)} of {files} files are not what was written, or were never written")
    if not as_json:
        say(f"{index}: {files} files, all as they were written")
