"""Roots of a server: directories outside of which lies nothing that a served index names."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attridex.indexer.config import Config
from attridex.indexer.errors import DamageError, InputError
from attridex.indexer.held.inside import check_tree, is_inside
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import BATCHES, paths_in
from attridex.indexer.index.records import read_sealed
from attridex.indexer.lifecycle.moved_model import with_model


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

    def check(self, index: Path, version: str, model: bool | str = True) -> None:
        """Refuse a version of an index that would lead elsewhere.

        Args:
            index: its directory.
            version: which.
            model: whether its model is loaded; or where that lies now.

        Raises:
            InputError: a link of it, or a name in its manifest, leads out.
        """
        check_tree(index, self._paths or [index.resolve()])
        if self._paths:
            self._check_name("the index", index)
            config = read_manifest(index, version).config
            if model:
                self.check_model(with_model(config, model if isinstance(model, str) else None))
            self.check_files(config)

    def check_model(self, config: Config) -> None:
        """Refuse a configuration whose model lies elsewhere."""
        for setting, path in models(config) if self._paths else ():
            if not path.is_dir():
                raise InputError(f"{setting}: {path}: no directory here; with --root nothing is taken from the Hub or its cache")
            self._check_name(setting, path)
            check_tree(path, self._paths)

    def check_files(self, config: Config) -> None:
        """Refuse a configuration whose records lie elsewhere."""
        for setting, path in files(config) if self._paths else ():
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
    if config.corpus.dataset and is_local(config.corpus.dataset):
        yield "corpus.dataset", Path(config.corpus.dataset)
    if config.training:
        if is_local(config.training.base):
            yield "training.base", Path(config.training.base)
        for path in config.training.test_files:
            yield "training.test_files", Path(path)


def batch_files(index: Path) -> Iterator[Path]:
    """The files that later batches of an index come from; a plan or copy that is damaged names none."""
    for path in paths_in(index, BATCHES):
        with suppress(DamageError, TypeError):
            yield from [Path(name) for name in read_sealed(path).get("files", ())]


def is_local(name: str) -> bool:
    """Whether a name that may be one on the Hub is a path: libraries take what is there before they look on the Hub."""
    return Path(name).is_absolute() or Path(name).exists()
