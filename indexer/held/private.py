"""Private copies of held files, for libraries that read files by their paths: nobody else can change them."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attridex.indexer.errors import AttridexError
from attridex.indexer.held.files import HeldFile


@contextmanager
def private_copy(*files: HeldFile) -> Iterator[Path]:
    """A directory with checked copies, removed when the block ends; who has one open by then reads on.

    Raises:
        DamageError: a file is not what was written.
        AttridexError: they cannot be written.
    """
    with ExitStack() as copies:
        try:
            place = Path(copies.enter_context(tempfile.TemporaryDirectory(prefix="attridex-")))
            for file in files:
                with (place / file.path.name).open("wb") as stream:
                    stream.writelines(file.blocks())
        except OSError as error:
            size = sum(file.written.size for file in files)
            where = f"a private copy of {files[0].path} ({-(-size // (1 << 20))} MiB)"
            raise AttridexError(f"{where} cannot be written: {error.strerror}; TMPDIR names a place with room") from None
        yield place
