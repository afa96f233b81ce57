"""Work in threads gives what it gives without them, in its order, and errors where they stand."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attridex.indexer import ahead
from attridex.indexer.ahead import Behind, in_order, prefetched
from attridex.indexer.building.build import build
from attridex.indexer.config import load_config
from attridex.indexer.corpus import reading, spool
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import SIDECAR


@pytest.fixture
def few_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads begin behind three items, and take two at once."""
    monkeypatch.setattr(ahead, "FIRST", 3)
    monkeypatch.setattr(ahead, "CHUNK", 2)


@pytest.mark.usefixtures("few_first")
@pytest.mark.parametrize("count", [0, 2, 3, 4, 50])
@pytest.mark.parametrize("threads", [1, 4])
def test_items_keep_their_order(count: int, threads: int) -> None:
    made = list[int]()

    def make() -> Callable[[int], int]:
        made.append(threading.get_ident())
        return lambda item: -item

    assert list(in_order(iter(range(count)), lambda item: -item, make, threads)) == [-item for item in range(count)]
    wanted = threads if threads > 1 and count > 3 else 0
    assert made == [threading.get_ident()] * wanted, "one for each thread, made here"


@pytest.mark.usefixtures("few_first")
def test_an_error_among_items_comes_behind_what_stands_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(8)
        raise InputError("line 9")

    stream = in_order(items(), int, lambda: int, 3)
    assert [next(stream) for _ in range(8)] == list(range(8))
    with pytest.raises(InputError, match="line 9"):
        next(stream)


@pytest.mark.usefixtures("few_first")
def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    stream = in_order(iter(range(10**6)), int, lambda: int, 3)
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_one_item_is_made_ahead_and_no_more() -> None:
    made = list[int]()
    asked = [threading.Event() for _ in range(5)]

    def items() -> Iterator[int]:
        for item in range(4):
            made.append(item)
            asked[item].set()
            yield item

    with prefetched(items()) as stream:
        assert next(stream) == 0
        assert asked[1].wait(10)
        assert made == [0, 1]
        assert list(stream) == [1, 2, 3]


def test_work_behind_is_done_in_turn_and_its_error_comes_with_the_next() -> None:
    done = list[int]()

    def failing() -> None:
        raise InputError("disk full")

    def signing() -> None:
        raise InputError("signing")

    def both(more: Callable[[], None] | None) -> None:
        with Behind() as behind:
            behind(failing)
            if more is signing:
                signing()
            if more:
                behind(more)

    with Behind() as behind:
        for number in range(5):
            behind(lambda number=number: done.append(number))
    assert done == [0, 1, 2, 3, 4]
    for error, more in (("disk full", None), ("disk full", lambda: done.append(9)), ("signing", signing)):
        with pytest.raises(InputError, match=error):
            both(more)
    assert 9 not in done


@pytest.mark.usefixtures("few_first")
def test_a_text_is_rendered_once_and_the_index_is_the_same_to_the_byte(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, times = load_config(project(count=40)), Counter[str]()
    instances = Renderer.instances

    def counting(self: Renderer, record: dict[str, str], where: str) -> object:
        times[where] += 1
        return instances(self, record, where)

    def shards(index: Path) -> list[bytes]:
        return [path.read_bytes() for path in sorted(index.glob(f"shards/*/{SIDECAR}"))]

    monkeypatch.setattr(Renderer, "instances", counting)
    build(config, tmp_path / "i", show_progress=False)
    assert Counter(times.values()) == {1: 40}
    monkeypatch.setattr(reading, "MOST_THREADS", 1)
    monkeypatch.setattr(spool, "MOST", 0)  # too many to be kept: rendered again
    build(config, tmp_path / "j", show_progress=False)
    assert Counter(times.values()) == {3: 40}
    assert shards(tmp_path / "i") == shards(tmp_path / "j")
    assert not [path for path in tmp_path.rglob("tmp*") if path.is_file()]
