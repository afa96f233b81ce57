"""URLs of index roots: which arguments are one, and what they are called."""

import re
from pathlib import Path

from attridex.indexer.errors import InputError

SCHEMES = ("s3", "gs", "az", "file")
"""Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage, and a directory, as for a shared disk."""
_SCHEME = re.compile(rf"({'|'.join(SCHEMES)}):/*", re.IGNORECASE)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+([^/].*)")


def url_of(place: str | Path) -> str | None:
    """The URL that an argument is, without a slash at its end; None for a directory.

    A `Path` of a URL is one too: it has lost a slash, and nothing else.

    Raises:
        InputError: a URL, but of no kind that holds an index, or with a credential in it.
    """
    if bare := _SCHEME.fullmatch(str(place)):
        raise InputError(f"{bare[1].lower()}://: names no root of an index; write it as {bare[1].lower()}://BUCKET/PATH")
    found = _URL.fullmatch(str(place))
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2].rstrip("/")
    if scheme not in SCHEMES:
        raise InputError(f"{scheme}://: no root of an index; known: {', '.join(f'{each}://' for each in SCHEMES)}")
    if scheme == "file":
        return f"file:///{rest}"
    if re.search("[?#@]", rest):
        raise InputError(f"{scheme}://: write BUCKET/PATH alone; credentials come from the environment, never from a URL")
    if "/" not in rest:
        raise InputError(f"{scheme}://{rest}: a bucket; name a root in it, as {scheme}://{rest}/my-index")
    return f"{scheme}://{rest}"


def name_of(url: str) -> str:
    """What an index is called: the last part of its URL."""
    return url.rpartition("/")[2]
