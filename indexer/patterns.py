"""Files that a setting names, one by one or by a pattern."""

from pathlib import Path

from attridex.indexer.errors import InputError


def matching_files(base: Path, name: str, setting: str) -> list[Path]:
    """The file of a name seen from `base`, or those that fit a pattern, in the order of their names.

    Raises:
        InputError: no file fits the pattern of the setting.
    """
    if (base / name).exists() or not any(sign in name for sign in "*?["):
        return [(base / name).resolve()]
    root = Path(name).anchor or base
    found = sorted(path.resolve() for path in Path(root).glob(str(Path(name).relative_to(Path(name).anchor))) if path.is_file())
    if not found:
        raise InputError(f"{setting}: no file fits {name!r} (seen from {base})")
    return found
