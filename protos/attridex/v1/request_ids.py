"""The name of a call in the server's log: the client gives one, or the server does."""

import re

REQUEST_ID = "x-request-id"
"""The metadata that names a call, both ways."""
READABLE = re.compile(r"[\x21-\x7e]{1,128}")


def is_request_id(name: str) -> bool:
    """Whether a name can be a call's: 1 to 128 printable ASCII characters without spaces."""
    return READABLE.fullmatch(name) is not None
