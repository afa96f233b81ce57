"""How a request ended is told as it was: answered, refused, or left."""

import pytest

from attridex.service.edge.observed import observed
from attridex.service.errors import InvalidArgumentError
from attridex.service.operations.witness import RequestFacts, Witness


class Codes(Witness):
    """Keeps how requests ended."""

    def __init__(self) -> None:
        """None yet."""
        self.codes: list[str] = []

    def request(self, request: RequestFacts) -> None:
        """Keep it."""
        self.codes.append(request.code)


def test_an_answer_that_is_left_is_no_answer() -> None:
    witness = Codes()
    with observed(witness, "RankInstances"):
        pass
    for error in (GeneratorExit(), InvalidArgumentError("no")):
        with pytest.raises(type(error)), observed(witness, "RankInstances"):
            raise error
    assert witness.codes == ["OK", "CANCELLED", "INVALID_ARGUMENT"]
