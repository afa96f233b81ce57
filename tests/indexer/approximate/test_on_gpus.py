"""Structures that FAISS makes on a GPU, and which it cannot make; nothing here is FAISS's code for GPUs."""

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest

from attridex.indexer.approximate.on_gpus import NumberedRows, check_graphs, filled_lists, gpu_of, graph
from attridex.indexer.errors import InputError
from tests.indexer.approximate.faiss_gpu import Cagra, built_for_gpus, clustered

ROWS = clustered(900)
ORDER = np.random.default_rng(1).permutation(len(ROWS))


def rows() -> Iterator[NumberedRows]:
    """The rows in three parts, in another order."""
    return (NumberedRows(ROWS[part], part) for part in np.array_split(ORDER, 3))


def lists(gpu: int | None) -> faiss.Index:
    empty = faiss.index_factory(24, "IVF16,SQ8", faiss.METRIC_INNER_PRODUCT)
    empty.nprobe = 4
    return filled_lists(empty, ROWS, rows, gpu)


def test_a_model_s_gpu_is_faiss_s_where_faiss_is_built_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [gpu_of(device) for device in ("auto", "cuda:1", "cpu")] == [None] * 3
    built_for_gpus(monkeypatch)
    assert [gpu_of(device) for device in ("auto", "cuda", "cuda:1", "cpu")] == [0, 0, 1, None]
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    assert gpu_of("cuda") is None


def test_lists_are_made_on_the_gpu_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus, made = built_for_gpus(monkeypatch), lists(1)
    assert [number for number, _ in gpus.copied] == [1]
    assert (made.ntotal, made.nprobe, lists(None).nprobe) == (len(ROWS), 4, 4)
    np.testing.assert_array_equal(made.search(ROWS[:50], 1)[1][:, 0], np.arange(50))


def test_lists_without_room_on_the_gpu_are_made_in_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpus = built_for_gpus(monkeypatch)
    gpus.full = True
    assert lists(0).ntotal == len(ROWS)
    assert caplog.messages == ["inverted lists are made without the GPU (Error: 'err == cudaSuccess' failed: out of memory)"]


def test_a_graph_finds_the_nearest_rows_by_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    built_for_gpus(monkeypatch)
    _, found = graph(rows(), ROWS.shape, 0).search(ROWS[:50], 10)
    wanted = np.argsort(-(ROWS[:50] @ ROWS.T), axis=1)[:, :10]
    assert np.mean([len(np.intersect1d(one, other)) / 10 for one, other in zip(found, wanted, strict=True)]) > 0.9


def test_a_graph_without_room_is_refused_with_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    built_for_gpus(monkeypatch)

    def full(*_: Any) -> None:
        raise MemoryError("std::bad_alloc: out_of_memory")

    monkeypatch.setattr(Cagra, "train", full)
    wanted = r'"cagra" cannot be made on GPU 1 \(std::bad_alloc: out_of_memory\); 900 vectors of 24 numbers take 0\.0 GiB there'
    with pytest.raises(InputError, match=wanted):
        graph(rows(), ROWS.shape, 1)


def test_graphs_are_refused_before_work_where_nothing_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = pytest.raises(InputError, match=r'index\.approximate: FAISS makes "cagra" on a GPU, built with cuVS')
    check_graphs(["ivf", "sq8"], "cpu")
    with refused:
        check_graphs(["ivf", "cagra"], "auto")
    built_for_gpus(monkeypatch, cuvs=False)
    with refused:
        check_graphs(["cagra"], "cuda")
    built_for_gpus(monkeypatch)
    check_graphs(["cagra"], "cuda")
    with refused:
        check_graphs(["cagra"], "cpu")
