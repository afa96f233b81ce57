"""A missing extra and two FAISS packages are said in plain words, before anything starts."""

import pytest

from attridex.client import start
from attridex.client.errors import MissingPackageError


def test_two_faiss_packages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "installed_versions", lambda names: {"faiss-cpu": "1", "faiss-gpu": "1"})
    with pytest.raises(MissingPackageError, match="faiss-cpu and faiss-gpu are both installed"):
        start.check_local()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "find_spec", lambda name: None if name == "duckdb" else object())
    with pytest.raises(MissingPackageError, match=r"this needs duckdb: pip install .attridex\[indexer,service\]"):
        start.check_local()
    assert "attridex[indexer]" in str(start.missing("torch"))
    assert "attridex[cpu]" in str(start.missing("faiss.contrib"))
