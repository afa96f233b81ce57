"""What a survey rendered, kept in a file without a name until the build reads it back: no text is tokenised twice."""

import pickle
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from attridex.indexer.corpus.instances import RenderedInstance

MOST = 4 << 30
"""Bytes at most; a larger corpus is rendered again, ahead of the model."""


class Spool:
    """Rendered instances in their order; none where there are too many, or the disk refuses them.

    Attributes:
        kept: how many; None where they are not kept.
    """

    def __init__(self, file: IO[bytes] | None) -> None:
        """`file` for them, if there is one."""
        self._file, self.kept = file, None if file is None else 0

    def add(self, instance: RenderedInstance) -> None:
        """Keep an instance."""
        if self._file is None or self.kept is None:
            return
        try:
            pickle.dump(instance, self._file, pickle.HIGHEST_PROTOCOL)
            self.kept = self.kept + 1 if self._file.tell() <= MOST else None
        except OSError:
            self.kept = None
        if self.kept is None:
            self._drop(self._file)

    def read(self) -> Iterator[RenderedInstance]:
        """All of them, once they are there."""
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self.kept or 0):
                yield pickle.load(self._file)

    @staticmethod
    def _drop(file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()


@contextmanager
def spooled(beside: Path) -> Iterator[Spool]:
    """A spool on the file system of a path, which need not be there yet; it is gone with the block, however that ends."""
    place = next(path for path in (beside, *beside.absolute().parents) if path.is_dir())
    with ExitStack() as stack:
        file = None
        with suppress(OSError):
            file = stack.enter_context(TemporaryFile(dir=place))
        yield Spool(file)
