"""A signature answers every need that it covers and no other, and the longest unused go first."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attridex.service.encoding.cache import ENTRY_BYTES, SignatureCache
from attridex.service.encoding.need import Need

FULL = Need(gradient=True, neurons=True)


def signature(size: int = 4) -> Any:
    return SimpleNamespace(gradient=np.zeros(size, np.float32), greedy=None)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (Need(gradient=True), True),
        (Need(neurons=True), True),
        (Need(), True),
        (FULL, True),
        (Need(gradient=True, label="predicted"), False),
        (Need(gradient=True, tracin=True), False),
        (Need(neurons=True, fast=True), False),
    ],
)
def test_a_signature_answers_what_it_covers(asked: Need, answered: bool) -> None:
    cache = SignatureCache()
    made = cache.put("a", FULL, signature())
    assert cache.get("a", asked) is (made if answered else None)
    assert cache.get("b", asked) is None


def test_the_first_signature_of_a_text_stays() -> None:
    cache = SignatureCache()
    first = cache.put("a", FULL, signature())
    assert cache.put("a", FULL, signature()) is first


def test_the_longest_unused_is_dropped_first() -> None:
    cache = SignatureCache(limit=2 * (ENTRY_BYTES + 16))
    for key in "ab":
        cache.put(key, FULL, signature())
    assert cache.get("a", FULL)
    cache.put("c", FULL, signature())
    assert [cache.get(key, FULL) is not None for key in "abc"] == [True, False, True]


@pytest.mark.parametrize(
    ("need", "gold"),
    [
        (Need(gradient=True), True),
        (Need(tracin=True), True),
        (Need(neurons=True), False),
        (Need(gradient=True, label="predicted"), False),
    ],
)
def test_a_record_s_label_counts_only_where_its_loss_is_asked_for(need: Need, gold: bool) -> None:
    assert need.gold is gold
