"""What a survey rendered, kept in a file without a name until the build reads it back: no text is tokenised twice."""

import pickle
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile

from attridex.indexer.corpus.instances import RenderedInstance

MOST = 4 << 30
"""Bytes at most; a larger corpus is rendered again, ahead of the model."""


class Spool:
    """Rendered instances in their order; none where there are too many, or the disk refuses them.

    Attributes:
        kept: how many; None where they are not kept.
    """

    def __init__(self, file: FileIO | None) -> None:
        """`file` for them, if there is one."""
        self._file, self.kept = file, None if file is None else 0
        self._bytes = 0

    def add(self, instance: RenderedInstance) -> None:
        """Keep an instance."""
        if self._file is None or self.kept is None:
            return
        content, written = pickle.dumps(instance, pickle.HIGHEST_PROTOCOL), 0
        with suppress(OSError):
            written = self._file.write(content)
        self._bytes += len(content)
        self.kept = self.kept + 1 if written == len(content) and self._bytes <= MOST else None
        if self.kept is None:
            self._file.truncate(0)

    def read(self) -> Iterator[RenderedInstance]:
        """All of them, once they are there."""
        if self._file is None:
            return
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as stream:
            for _ in range(self.kept or 0):
                yield pickle.load(stream)


@contextmanager
def spooled(beside: Path) -> Iterator[Spool]:
    """A spool on the file system of a path, which need not be there yet; it is gone with the block, however that ends."""
    place = next(path for path in (beside, *beside.absolute().parents) if path.is_dir())
    with ExitStack() as stack:
        file = None
        with suppress(OSError):
            file = stack.enter_context(TemporaryFile(dir=place, buffering=0))  # so that a full disk is told where it is met
        yield Spool(file)
