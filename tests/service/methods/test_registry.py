"""The methods that attridex brings: which they are, and that the contract, whose help names them, knows the same."""

from attridex.service.methods.registry import BUILT_IN, load_methods
from attridex.v1.requests import METHODS


def test_without_other_packages_there_are_the_built_in_methods() -> None:
    assert list(load_methods().values()) == list(BUILT_IN)
    assert [m.name for m in BUILT_IN if not m.compared] == ["lissa"]
    assert [m.name for m in BUILT_IN if m.baseline] == ["bm25", "random"]


def test_the_contract_names_the_built_in_methods() -> None:
    assert [method.name for method in BUILT_IN] == list(METHODS)
