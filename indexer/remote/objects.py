"""The objects below a URL: the one place that talks to a store, and says in one line what is wrong with it.

The library is obstore, Rust's `object_store`: conditional puts on every kind of store, streams, retries and parts of large
objects, and credentials as each store's own tools find them (environment, roles of a machine), which attridex never sees.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from attridex.indexer.errors import AttridexError, DamageError, InputError, MissingExtraError

CHUNK = 5 << 20
"""Bytes of a request: a store must answer each within half a minute, on a slow line too; S3 takes no smaller parts."""
PARTS = 5000
"""Parts of an object at most; S3 takes 10,000."""
RETRIES = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
"""How often and how long a request is made again that a store did not answer."""
NO_CREDENTIALS = r"Error performing \w+ \S+/(latest/api/token|latest/meta-data|computeMetadata|metadata/identity)\b"
"""The library asks a machine of the cloud for its role where the environment names no credentials."""
SAID, STATUS, SYSTEM = "<Message>(.*?)</Message>", r"status code: (\d{3}[ \w]*)", 'message: "(.*?)"'
"""Within what the library says: what the store said, by which status, and what the system says of a connection."""


class MissingObjectError(DamageError):
    """An object that a head names is not there."""


class Listed(NamedTuple):
    """An object's name below the URL, and when it was written by the store's clock."""

    name: str
    written: datetime


class Objects:
    """The objects below a URL; threads may share it.

    Attributes:
        url: where they lie.
    """

    def __init__(self, url: str, *, make: bool = False) -> None:
        """Nothing is asked of the store yet.

        Args:
            url: where they lie.
            make: whether a directory that a URL names is made where it is missing.

        Raises:
            InputError: its settings in the environment are none, or a directory is missing.
            MissingExtraError: the extra `storage` is not installed.
        """
        self.url = url
        self._store = opened(url, make=make)

    def listed(self, under: str, after: str | None = None) -> list[Listed]:
        """The objects of a folder, in the order of their names, from behind `after` on."""
        import obstore

        with self._told(under):
            pages = list(obstore.list(self._store, f"{under}/", offset=after))
        return sorted(Listed(each["path"], each["last_modified"]) for page in pages for each in page)

    def read(self, name: str) -> bytes:
        """A small object's content.

        Raises:
            MissingObjectError: it is not there.
        """
        import obstore

        with self._told(name):
            return bytes(obstore.get(self._store, name).bytes())

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """An object's content, some MiB at a time, each asked for by itself; see `read`.

        Args:
            name: below the URL.
            size: that it must have, in bytes; nothing is given of a large one that has another.
        """
        import obstore

        if size <= CHUNK:
            yield self.read(name)
            return
        with self._told(name):
            found = obstore.head(self._store, name)["size"]
        for start in range(0, size if found == size else 0, CHUNK):
            with self._told(name):
                content = bytes(obstore.get_range(self._store, name, start=start, end=min(start + CHUNK, size)))
            yield content

    def create(self, name: str, content: bytes) -> bool:
        """Write an object that is not there yet; False where it is."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._told(name):
            try:
                obstore.put(self._store, name, content, mode="create")
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def write(self, name: str, content: bytes | Iterator[bytes], size: int) -> None:
        """Write an object, whatever was there; one whose content fails on the way is never finished.

        Args:
            name: below the URL.
            content: some MiB at a time, or at once.
            size: of all of it, in bytes.
        """
        import obstore

        whole: Any = b"".join(content) if size <= CHUNK and not isinstance(content, bytes) else content
        with self._told(name):
            obstore.put(self._store, name, whole, chunk_size=max(CHUNK, size // PARTS), max_concurrency=1)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; one that is gone already is."""
        import obstore

        wanted = list(names)
        try:
            with self._told(wanted[0] if wanted else ""):
                obstore.delete(self._store, wanted)
        except MissingObjectError:  # a store that says so, and has stopped there
            for name in wanted:
                with suppress(MissingObjectError), self._told(name):
                    obstore.delete(self._store, name)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """What the store refuses in the block, in one line that names the object."""
        import obstore

        try:
            yield
        except FileNotFoundError as error:
            why = reason(error)
            bucket = f" ({why})" if re.search("bucket|container", why) else ""
            raise MissingObjectError(f"{self.url}/{name}: missing{bucket}") from None
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise AttridexError(f"{self.url}/{name}: {reason(error)}") from None


def opened(url: str, *, make: bool) -> Any:
    """The library's store of a URL; see `Objects`."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url
    except ModuleNotFoundError:
        raise MissingExtraError(f"{url}: object storage needs obstore: pip install 'attridex[storage]'") from None
    try:
        if url.startswith("file:"):
            place = Path(url.removeprefix("file://"))
            if not (make or place.is_dir()):
                raise InputError(f"{url}: no attridex index there (no such directory)")
            return LocalStore(place, mkdir=True)
        extra = {"credential_provider": profile()} if url.startswith("s3:") and os.environ.get("AWS_PROFILE") else {}
        return from_url(url, retry_config=RETRIES, **extra)
    except (BaseError, OSError, ValueError) as error:
        raise InputError(f"{url}: {reason(error)}") from None


def profile() -> Any:
    """Credentials of the profile that AWS_PROFILE names, found and renewed by AWS's own library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ModuleNotFoundError:
        raise MissingExtraError("AWS_PROFILE: profiles are read by boto3: pip install boto3") from None
    return Boto3CredentialProvider()


def reason(error: BaseException) -> str:
    """What is wrong, in one line: what the store said itself, and no address of a request, which may be signed.

    Nor how long and how often it was tried: the same is the same again, so that a log says it once.
    """
    text = str(error)
    if re.search(NO_CREDENTIALS, text):
        return "no credentials in the environment, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor a role of this machine"
    if "BadScheme" in text:
        return "the endpoint is http://; allow it by AWS_ALLOW_HTTP=true, or AZURE_ALLOW_HTTP=true"
    said, status, system = (re.search(pattern, text) for pattern in (SAID, STATUS, SYSTEM))
    if said or status:
        return f"the store answers {status[1].strip() if status else 'no'}{f' ({said[1]})' if said else ''}"
    if "HTTP error" in text:
        return f"the store does not answer{f' ({system[1]})' if system else ''}"
    line = re.sub(r"(\w+://[^\s?]*)\?\S*", r"\1", text.partition("\n")[0])
    return " ".join(line.split())
