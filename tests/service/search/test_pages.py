"""A page token belongs to a listing and to the version that it began with; nothing else that looks like one is taken."""

import base64

import pytest

from attridex.service.errors import InvalidArgumentError
from attridex.service.search.pages import PageToken, listing_digest
from attridex.v1.filters import Comparison
from attridex.v1.requests import ListInstancesRequest

DIGEST = listing_digest("mine", ListInstancesRequest())


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()


def test_a_token_comes_back_as_it_was() -> None:
    token = PageToken("3", 20, DIGEST)
    assert PageToken.decode(token.encode(), DIGEST) == token
    assert listing_digest("mine", ListInstancesRequest(page_size=3, page_token="x", fields=("a",))) == DIGEST


@pytest.mark.parametrize(
    ("index", "request_"),
    [
        ("other", ListInstancesRequest()),
        ("mine", ListInstancesRequest(order_by="-row")),
        ("mine", ListInstancesRequest(Comparison("year", "=", 1))),
        ("mine", ListInstancesRequest(Comparison("year", "=", True))),
    ],
)
def test_a_token_of_another_listing_is_refused(index: str, request_: ListInstancesRequest) -> None:
    other = PageToken("3", 20, listing_digest(index, request_)).encode()
    with pytest.raises(InvalidArgumentError, match="of another index, condition or order") as raised:
        PageToken.decode(other, DIGEST)
    assert raised.value.field == "page_token"


@pytest.mark.parametrize(
    "token",
    [
        "", "???", "\u00e9", "\ud800", "A" * 1_000_000, PageToken("3", 20, DIGEST).encode()[:-4], encoded(b"[" * 100_000),
        encoded(f'["3", 20, "{DIGEST}"]'.encode()), encoded(f"3:-1:{DIGEST}".encode()), encoded(f"../3:1:{DIGEST}".encode()),
        encoded(f"\u00b2:1:{DIGEST}".encode()), encoded(f"3:1e3:{DIGEST}".encode()), encoded(f"3:{'9' * 30}:{DIGEST}".encode()),
        encoded(f"3:1:{DIGEST}\n".encode()), PageToken("3", 20, DIGEST).encode() + "!",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_in_one_line(token: str) -> None:
    with pytest.raises(InvalidArgumentError, match="page_token: not a token") as raised:
        PageToken.decode(token, DIGEST)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200
