"""A model that counts: texts are their own signatures."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.indexer.errors import InputError
from attridex.service.encoding.encoder import Encoder


@dataclass(frozen=True)
class Text:
    """A rendered text."""

    key: str
    tokens: int = 1


@dataclass
class CountingSigner:
    """Signs texts by their keys, and remembers what it was asked.

    Attributes:
        gate: it works only while this is set.
        begun: it has been asked.
    """

    batches: list[tuple[str, ...]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)

    def render(self, record: Any, where: str, *, stored: bool = False, label_used: bool = True) -> Any:
        """A record's text."""
        if "text" not in record:
            raise InputError(f"{where}: missing column 'text'")
        return Text(record["text"])

    def sign(self, instances: Sequence[Any], **need: Any) -> list[Any]:
        """Signatures; a bad text fails with all that are signed with it."""
        self.begun.set()
        assert self.gate.wait(20)
        self.batches.append(tuple(text.key for text in instances))
        if any(text.key == "bad" for text in instances):
            raise ZeroDivisionError("bad text")
        return [SimpleNamespace(key=text.key, need=need, gradient=np.zeros(4, np.float32)) for text in instances]

    def edit(self, instances: Sequence[Any], edits: Sequence[Any]) -> list[Any]:
        """Edits, as they are."""
        return [SimpleNamespace(key=text.key, edits=edit) for text, edit in zip(instances, edits, strict=True)]


@pytest.fixture
def signer() -> CountingSigner:
    """The model, open for work."""
    made = CountingSigner()
    made.gate.set()
    return made


@pytest.fixture
def encoder(signer: CountingSigner) -> Iterator[Callable[..., Encoder]]:
    """Encoders of the model."""
    made: list[Encoder] = []

    def start(**options: Any) -> Encoder:
        made.append(Encoder(signer, **options))
        return made[-1]

    yield start
    signer.gate.set()
    for one in made:
        one.close()
