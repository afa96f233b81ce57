"""Roots of a server: directories outside of which lies nothing that a served index names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from attridex.indexer.config import Config
from attridex.indexer.errors import InputError
from attridex.indexer.held.inside import check_tree, is_inside
from attridex.indexer.index.directory import read_manifest


class Roots:
    """Where indices, models and what else they name may lie; anywhere, where none is given, but no link leads out of an index."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        """These.

        Raises:
            InputError: one is no directory.
        """
        for path in paths:
            if not path.is_dir():
                raise InputError(f"--root {path}: no such directory")
        self._paths = [path.resolve() for path in paths]

    def check(self, index: Path, version: str) -> None:
        """Refuse a version of an index that would lead elsewhere.

        Raises:
            InputError: a link of it, or a name in its manifest, leads out.
        """
        check_tree(index, self._paths or [index.resolve()])
        if not self._paths:
            return
        self._check_name("the index", index)
        config = read_manifest(index, version).config
        for setting, path in models(config):
            if not path.is_dir():
                raise InputError(f"{setting}: {path}: no directory here; with --root nothing is taken from the Hub or its cache")
            self._check_name(setting, path)
            check_tree(path, self._paths)
        for setting, path in files(config):
            self._check_name(setting, path)

    def _check_name(self, what: str, path: Path) -> None:
        if not is_inside(path, self._paths):
            raise InputError(
                f"{what}: {path}: outside {', '.join(map(str, self._paths))} (--root); move it, or give its root too"
            )


def models(config: Config) -> Iterator[tuple[str, Path]]:
    """The models that a configuration names, each with its setting."""
    yield "model.path", Path(config.model.path)
    if config.model.adapter:
        yield "model.adapter", Path(config.model.adapter)
    for path in config.model.checkpoints:
        yield "model.checkpoints", Path(path)


def files(config: Config) -> Iterator[tuple[str, Path]]:
    """The files that a configuration names, each with its setting; what is on the Hub is none."""
    for path in config.corpus.files:
        yield "corpus.files", Path(path)
    if config.corpus.dataset and Path(config.corpus.dataset).is_absolute():
        yield "corpus.dataset", Path(config.corpus.dataset)
    if config.training:
        if Path(config.training.base).is_absolute():
            yield "training.base", Path(config.training.base)
        for path in config.training.test_files:
            yield "training.test_files", Path(path)
