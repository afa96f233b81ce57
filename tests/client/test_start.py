"""A missing extra and two FAISS packages are said in plain words, before anything starts."""

from importlib.metadata import PackageNotFoundError

import pytest

from attridex.client import start
from attridex.client.errors import MissingPackageError


def installed(*names: str) -> object:
    """A stand-in for importlib.metadata.version that knows only these distributions."""

    def version(name: str) -> str:
        if name in names:
            return "1"
        raise PackageNotFoundError(name)

    return version


def test_two_faiss_packages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "version", installed("faiss-cpu", "faiss-gpu"))
    with pytest.raises(MissingPackageError, match="faiss-cpu and faiss-gpu are both installed"):
        start.check_local()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "find_spec", lambda name: None if name == "duckdb" else object())
    with pytest.raises(MissingPackageError, match=r"this needs duckdb: pip install .attridex\[indexer,service\]"):
        start.check_local()
    assert "attridex[indexer]" in str(start.missing("torch"))
    assert "attridex[cpu]" in str(start.missing("faiss.contrib"))
