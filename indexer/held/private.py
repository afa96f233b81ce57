"""Private copies of held files, for libraries that read files by their paths: nobody else can change them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attridex.indexer.held.files import HeldFile


@contextmanager
def private_copy(*files: HeldFile) -> Iterator[Path]:
    """A directory with checked copies, removed when the block ends; who has one open by then reads on.

    Raises:
        DamageError: a file is not what was written.
        OSError: there is no room; TMPDIR says where the copies lie.
    """
    with tempfile.TemporaryDirectory(prefix="attridex-") as name:
        for file in files:
            with (Path(name) / file.path.name).open("wb") as stream:
                for block in file.blocks():
                    stream.write(block)
        yield Path(name)
