"""An index that commit 5f8e7b1 built still opens, verifies clean, and gives the answers that it gave then.

The answers are compared to the bit where BLAS kernels, numpy and machine are those of the recording (`arithmetic` in the JSON),
elsewhere to a relative 1e-12. tests/fixtures/make_index.py made both and says how; its checks of errors are part of the answers.
"""

import json
import math
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from attridex.client import Client
from tests.fixtures.recorded_calls import ask

FIXTURES = Path(__file__).parent / "fixtures"
NAME = "index_5f8e7b1"
RECORDED: dict[str, Any] = json.loads((FIXTURES / f"{NAME}.json").read_text(encoding="utf-8"))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A copy of the old index: DuckDB lets a process open a catalog in one way only, and the client has its own copy open."""
    return Path(shutil.copytree(FIXTURES / NAME, tmp_path / NAME))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a copy of the old index, without the model."""
    copy = shutil.copytree(FIXTURES / NAME, tmp_path_factory.mktemp("old") / NAME)
    with Client.local(copy, model=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def bits(client: Client) -> bool:
    """Whether this process computes as the recording one did; the libraries are loaded once the client is."""
    blas = {str(info["architecture"]) for info in threadpool_info() if info["internal_api"] == "openblas"}
    then = RECORDED["arithmetic"]
    return blas >= {*then["openblas"]} and (platform.machine(), np.__version__) == (then["machine"], then["numpy"])


def differences(expected: Any, found: Any, bits: bool, where: str) -> list[str]:
    """Where an answer is not the recorded one; what it has beside that is no difference."""
    if isinstance(found, float) and isinstance(expected, str):
        right = float.fromhex(expected)
        same = found.hex() == expected if bits else math.isclose(found, right, rel_tol=1e-12, abs_tol=1e-300)
        return [] if same else [f"{where}: {found!r}, not {right!r}"]
    if isinstance(found, np.ndarray):
        right = np.frombuffer(bytes.fromhex(expected), "<f4")
        return [] if np.array_equal(found, right) else [f"{where}: other numbers"]
    if isinstance(expected, dict):
        own = {"message"} if expected.get("error") == "FilterError" else set[str]()  # the client's words, not the index's
        expected = {key: value for key, value in expected.items() if key not in {"next_page_token", *own}}  # the token is opaque
        has = (lambda key: key in found) if isinstance(found, Mapping) else (lambda key: hasattr(found, key))
        get = found.__getitem__ if isinstance(found, Mapping) else lambda key: getattr(found, key)
        missing = [f"{where}.{key}: missing" for key in expected if not has(key)]
        return missing or [line for key in expected for line in differences(expected[key], get(key), bits, f"{where}.{key}")]
    if isinstance(expected, list):
        if len(expected) != len(found):
            return [f"{where}: {len(found)} entries, not {len(expected)}"]
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for at, (old, new) in pairs for line in differences(old, new, bits, f"{where}[{at}]")]
    return [] if expected == found and type(expected) is type(found) else [f"{where}: {found!r}, not {expected!r}"]


@pytest.mark.parametrize("call", sorted({asked["call"] for asked in RECORDED["asked"]}))
def test_an_old_index_gives_the_answers_that_it_gave(client: Client, bits: bool, call: str) -> None:
    wrong = [
        line
        for asked in RECORDED["asked"]
        if asked["call"] == call
        for line in differences(asked["answer"], ask(client, call, asked["arguments"]), bits, str(asked["arguments"])[:200])
    ]
    assert wrong == []


@pytest.mark.parametrize("said", RECORDED["said"], ids=lambda said: " ".join(said["command"]))
def test_the_commands_say_of_an_old_index_what_they_said(index: Path, attridex: Callable[..., Any], said: dict[str, Any]) -> None:
    command, *options = said["command"]
    ran = attridex(command, index, *options)
    assert ran.code == 0, ran.err
    found = ran.out.replace(str(index), "INDEX").splitlines()
    if "--json" in options:
        before, now = (list(map(json.loads, lines)) for lines in (said["lines"], found))
        assert differences(before, now, False, command) == []
    else:
        assert found == said["lines"]


def test_an_old_index_verifies_clean(index: Path, attridex: Callable[..., Any]) -> None:
    ran = attridex("verify", index)
    assert ran.code == 0, ran.err
    assert "all as they were written" in ran.err
