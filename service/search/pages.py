"""Page tokens: where a listing goes on, bound to what was asked and to the version that it began with."""

import base64
import hashlib
import re
from typing import NamedTuple

from attridex.service.errors import InvalidArgumentError
from attridex.v1.requests import ListInstancesRequest

TOKEN = re.compile(r"([1-9][0-9]{0,17}(?:\+[1-9][0-9]{0,17})?):([0-9]{1,18}):([0-9a-f]{32})")
"""Version, instances behind, and the digest of the listing."""
LONGEST = 256
"""Characters of a token at most."""


def listing_digest(index: str, request: ListInstancesRequest) -> str:
    """What makes two listings the same: index, condition and order; pages may differ in size and columns."""
    asked = repr((index, request.where, request.order_by or "row"))
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


class PageToken(NamedTuple):
    """Where a listing goes on.

    Attributes:
        version: that it began with.
        offset: instances that are behind.
        digest: of what it lists.
    """

    version: str
    offset: int
    digest: str

    def encode(self) -> str:
        """The token as opaque text."""
        return base64.urlsafe_b64encode(":".join(map(str, self)).encode()).decode()

    @classmethod
    def decode(cls, text: str, digest: str) -> "PageToken":
        """Read the token of a listing.

        Raises:
            InvalidArgumentError: it is not one of ours, or of another listing.
        """
        try:
            content = base64.b64decode(text[: LONGEST + 1].encode("ascii"), b"-_", validate=True).decode("ascii")
        except ValueError:
            content = ""
        found = TOKEN.fullmatch(content)
        if not found:
            raise InvalidArgumentError("page_token: not a token of this server; leave it empty to begin", "page_token")
        if found[3] != digest:
            raise InvalidArgumentError(
                "page_token: of a listing of another index, condition or order; leave it empty to begin this one", "page_token"
            )
        return cls(found[1], int(found[2]), found[3])
