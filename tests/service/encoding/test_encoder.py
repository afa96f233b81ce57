"""One thread owns the model: what is remembered costs nothing, one bad text spoils no other, nobody waits for whom has gone."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from attridex.service.caller import Caller
from attridex.service.encoding.encoder import Encoder
from attridex.service.encoding.need import Need
from attridex.service.errors import CancelledError, InvalidArgumentError, OverloadedError
from tests.service.encoding.conftest import CountingSigner, Text

NEED = Need(gradient=True)


def texts(*keys: str) -> Any:
    return [Text(key) for key in keys]


def test_only_texts_that_are_not_remembered_cost_model_work(encoder: Callable[..., Encoder], signer: CountingSigner) -> None:
    one = encoder()
    first, again = Caller(), Caller()
    assert [s.key for s in one.sign(texts("a", "b"), NEED, first)] == ["a", "b"]  # type: ignore[attr-defined]
    assert [s.key for s in one.sign(texts("b", "c", "a"), NEED, again)] == ["b", "c", "a"]  # type: ignore[attr-defined]
    assert signer.batches == [("a", "b"), ("c",)]
    assert first.spent.encode > 0
    known = Caller()
    one.sign(texts("a"), NEED, known)
    assert (known.spent.encode, known.spent.queue) == (0, 0)


def test_one_bad_text_fails_alone(encoder: Callable[..., Encoder], signer: CountingSigner) -> None:
    one = encoder()
    signer.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(one.sign, texts(key), NEED, Caller()) for key in ("a", "bad", "b")]
        signer.gate.set()
        assert [asked[at].result()[0].key for at in (0, 2)] == ["a", "b"]  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="model: bad text"):
            asked[1].result()


def test_a_caller_that_goes_takes_its_jobs_along(encoder: Callable[..., Encoder], signer: CountingSigner) -> None:
    one, working, gone = encoder(), threading.Event(), CancelledError("gone")
    signer.gate.clear()

    def check() -> None:
        working.set()
        raise gone

    with ThreadPoolExecutor(2) as pool:
        busy = pool.submit(one.sign, texts("a"), NEED, Caller())
        with pytest.raises(CancelledError):
            one.sign(texts("b"), NEED, Caller(check))
        assert working.is_set()
        signer.gate.set()
        assert busy.result()
    one.sign(texts("c"), NEED, Caller())
    assert ("b",) not in signer.batches[1:]


def test_more_than_may_wait_are_refused(encoder: Callable[..., Encoder]) -> None:
    with pytest.raises(OverloadedError, match="more than 2 texts wait"):
        encoder(waiting=2).sign(texts("a", "b", "c"), NEED, Caller())


def test_a_closed_encoder_says_so(encoder: Callable[..., Encoder]) -> None:
    one = encoder()
    one.close()
    with pytest.raises(CancelledError, match="the server is stopping"):
        one.sign(texts("a"), NEED, Caller())


def test_an_end_waits_for_the_pass_under_way_as_long_as_it_is_told_to(
    encoder: Callable[..., Encoder], signer: CountingSigner
) -> None:
    one = encoder()
    signer.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(one.sign, texts("a"), NEED, Caller())
        assert signer.begun.wait(20)
        assert not one.close(0.01)
        signer.gate.set()
        assert one.close()
        assert asked.result()


def test_a_text_that_cannot_be_rendered_is_the_callers_fault(encoder: Callable[..., Encoder]) -> None:
    with pytest.raises(InvalidArgumentError, match="query 'q': missing column 'text'") as raised:
        encoder().render({}, "query 'q'")
    assert raised.value.field == "queries"


def test_edits_are_never_remembered(encoder: Callable[..., Encoder]) -> None:
    one: Any = encoder()
    assert [one.edit(Text("a"), [number], Caller()).edits for number in range(2)] == [[0], [1]]
