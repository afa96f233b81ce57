"""The served benchmarks: an echo to measure the wire by, and the bare pass over a text."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client
from attridex.client.benchmarks import serving
from attridex.client.benchmarks.scene import configuration, scene, texts
from attridex.client.benchmarks.serving import echo_call, plain_pass
from attridex.indexer.signing.signer import Signer


class Near:
    """A client that takes a path for an address: what is tested is the measuring, not the server."""

    local = Client.local

    def __new__(cls, address: Path) -> Any:
        """Open the index."""
        return cls.local(address)


TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_an_echo_gives_back_what_was_sent() -> None:
    with echo_call(64) as call:
        assert call() == b"x" * 64


@pytest.mark.parametrize("scope", ["head", "linear"])
def test_the_bare_pass_takes_a_record(scope: str) -> None:
    with scene(TINY, texts(2, 3, 5)) as directory:
        signer = Signer.load(configuration(Path(directory), neurons={"enabled": False}))
        plain_pass(signer, {"text": "w5 w6", "label": "neutral"}, scope)


def test_the_whole_path_gives_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def beside(index: Path) -> Iterator[Path]:
        yield index

    for constant, value in {"OPT_125M": TINY, "INSTANCES": 8, "WORDS": 5, "server_beside": beside, "Client": Near}.items():
        monkeypatch.setattr(serving, constant, value)
    names = [figure.name for figure in serving.served_queries(1)]
    assert names[0] == "gRPC overhead"
    assert names[1:] == [
        f"{what}, {scope}" for scope in ("head", "linear") for what in ("served text query", "asked again, model work")
    ]
