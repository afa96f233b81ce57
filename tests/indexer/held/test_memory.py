"""Memory that is free, as the system tells it."""

import os
from pathlib import Path

import pytest

from attridex.indexer.held import memory
from attridex.indexer.held.memory import as_option, available, parse_size


def test_free_memory_is_within_a_control_group_s_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       100 kB\nMemAvailable:    60 kB\n")
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    assert available() == 60 << 10
    (tmp_path / "memory.current").write_text("1024\n")
    for limit, free in (("max\n", 60 << 10), ("3072\n", 2048), (f"{1 << 30}\n", 60 << 10)):
        (tmp_path / "memory.max").write_text(limit)
        assert available() == free
    for name in ("meminfo", "memory.max"):
        (tmp_path / name).unlink()
    assert available() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("size", "told"), [(512, "512B"), (1 << 20, "1MiB"), ((1 << 20) + 1, "2MiB"), (4 << 30, "4096MiB")])
def test_a_size_is_told_as_it_is_read(size: int, told: str) -> None:
    assert as_option(size) == told
    assert parse_size(told, "--memory") >= size
