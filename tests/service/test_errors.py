"""Every error of the catalogue has a code that gRPC knows and a reason of its own."""

import grpc
import pytest

from attridex.service import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ServiceError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_code_a_reason_and_a_field(kind: type[errors.ServiceError]) -> None:
    assert kind.code in grpc.StatusCode.__members__
    assert kind.reason.isupper()
    assert kind("words", "k").field == "k"
    assert str(kind("words")) == "words"


def test_no_two_have_the_same_reason() -> None:
    assert len({kind.reason for kind in KINDS}) == len(KINDS)
