"""`attridex bench` measures what is named, shows each figure, and fails where a target is missed."""

import os
from typing import Any

import pytest
import torch

from attridex.client.benchmarks.measure import Figure
from attridex.client.commands import bench


def figure(median: float) -> Figure:
    return Figure("scan", "reading", "x floor", 1.25, True, median, 1.0, 2.0, 0.5, 0.25)


@pytest.fixture(autouse=True)
def _threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_every_benchmark_has_its_name() -> None:
    assert list(bench.benchmarks()) == [
        "build-head", "build-linear", "build-flat", "neurons", "ablation", "scan", "na-instances", "ranked", "flat",
        "served",
    ]  # fmt: skip


def test_those_of_a_gpu_are_refused_where_there_is_none(attridex: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in bench.gpu_benchmarks():
        ran = attridex("bench", name)
        assert (ran.code, ran.err) == (2, f"error: {name} needs a GPU, and torch sees none\n")


@pytest.mark.parametrize(("median", "code", "mark"), [(1.125, 0, "ok  "), (1.5, 1, "MISS")])
def test_a_figure_is_held_to_its_target(
    median: float, code: int, mark: str, attridex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "benchmarks", lambda: {"scan": lambda repeats: iter([figure(median)])})
    ran = attridex("bench", "scan")
    assert ran.code == code
    assert ran.out == f"{mark} scan: {median:.3g} x floor (1 to 2; at most 1.25; floor: reading)\n"
    (line,) = attridex("bench", "--json").lines
    assert (line["name"], line["meets"]) == ("scan", code == 0)
    assert torch.get_num_threads() == len(os.sched_getaffinity(0))


def test_an_unknown_benchmark_is_refused_with_the_nearest(attridex: Any) -> None:
    ran = attridex("bench", "scans")
    assert ran.code == 2
    assert "no benchmark 'scans'" in ran.err
