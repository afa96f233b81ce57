"""Search on a torch device finds what the CPU's finds, to the bit; no bound on its errors is too small."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch

from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.service.caller import never_cancelled
from attridex.service.devices import loading, memory, resident
from attridex.service.devices.loading import Device, chosen_device
from attridex.service.devices.memory import parse_devices
from attridex.service.devices.products import columns_of, error_of, products
from attridex.service.devices.resident import Chunk, Resident
from attridex.service.search.scan import Scanner
from attridex.service.storage.store import Store
from tests.service.search.test_scan import D, N, data, names, pairs, parts


def on_device(found: Any, together: int) -> Resident:
    """Parts as they are on a device, so many of them in a chunk."""
    groups = [found[start : start + together] for start in range(0, len(found), together)]
    chunks = [Chunk(torch.cat([torch.from_numpy(part.vectors.codes.copy()) for part in group])) for group in groups]
    return Resident(found, chunks, Lock())


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("together", [1, 2, 9])
def test_the_k_best_are_those_of_the_scan(precision: str, together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "SCORES_BYTES", 8 * N)
    vectors, scanner = data(), Scanner(2)
    queries = np.concatenate([np.random.default_rng(1).normal(size=(3, D)), vectors[[7, 9]].astype(np.float64), np.zeros((1, D))])
    some, few = np.random.default_rng(2).random(N) < 0.5, np.zeros(N, bool)
    few[[3, 101, 300, 699]] = True
    found = parts(tmp_path, vectors, 256, precision)
    device = on_device(found, together)
    for mask in (None, some, few):
        for k in (1, 10, N):
            for more in ({}, {"ascending": True}, {"since": 512}):
                expected = scanner.top(found, queries, k, names, never_cancelled, mask=mask, **more)
                answered = scanner.top(device, queries, k, names, never_cancelled, mask=mask, **more)
                assert [pairs(each) for each in answered] == [pairs(each) for each in expected]
    scanner.close()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("dim", [3, 700])
def test_products_are_within_their_bound(dtype: torch.dtype, dim: int) -> None:
    rng = np.random.default_rng(dim)
    rows = rng.normal(size=(200, dim)) * 10.0 ** rng.uniform(-6, 0, (200, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mixed = rng.normal(size=(5, dim)) * 10.0 ** rng.uniform(-6, 0, (5, dim))
    queries = np.concatenate([mixed, rows[:3] * 1e-30, rows[:3] * 1e30])
    stored = torch.from_numpy(rows).to(dtype)
    found = products(stored, columns_of(queries, stored)).numpy()
    exponents = np.frexp(np.linalg.norm(queries, axis=1))[1]
    exact = stored.numpy().astype(np.float64) @ np.ldexp(queries, -exponents[:, None]).T
    assert np.abs(found - exact).max() <= error_of(stored)


def test_what_does_not_fit_is_refused_with_what_would_before_it_is_loaded(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[int]()
    monkeypatch.setattr(Device, "_loaded", lambda *_: loaded.append(1))
    monkeypatch.setattr(loading, "free_bytes", lambda _: 0)
    with pytest.raises(InputError, match=r"the vectors of old and a search take [0-9]+B there, 0B are free"):
        Store(old, spread=Device([torch.device("cpu")], verify=True))
    assert loaded == []


def test_vectors_are_divided_among_devices_and_room_is_what_all_of_them_have(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = [torch.device("cpu"), torch.device("cpu", 0)]
    free = dict(zip(several, (3 << 20, 5 << 20), strict=True))
    for module in (loading, memory):
        monkeypatch.setattr(module, "free_bytes", free.__getitem__)
    assert loading.room(several, 1 << 20) == 6 << 20
    assert loading.room(several, 4 << 20) == 1 << 20
    taken = list[torch.device]()

    def empty(shape: tuple[int, int], *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        taken.append(device)
        free[device] -= 4 << 20
        return torch.zeros(shape, dtype=dtype)

    monkeypatch.setattr(loading.torch, "empty", empty)
    monkeypatch.setattr(loading, "CHUNK_BYTES", 1)
    vectors = Device(several, verify=True)
    store = Store(old, spread=vectors)
    assert taken[:2] == several[::-1]
    store.close()


def test_versions_share_what_is_on_the_device(old: Path) -> None:
    device, manifest = Device([torch.device("cpu")], verify=False), read_manifest(old, read_current(old))
    sha256 = (old / "CURRENT").read_text().split()[1]
    first = device.open(old, manifest, sha256, light=False)
    second = device.open(old, manifest, sha256, light=False)
    shared = [id(chunk) for chunk in first.of("gradients")._chunks]
    assert [id(chunk) for chunk in second.of("unit_gradients")._chunks] == shared
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("option", "said"), [("cuda", "torch sees no CUDA device"), ("gpu", "auto, cpu, cuda or cuda:N is needed")]
)
def test_a_device_that_is_not_there_is_refused_in_one_line(option: str, said: str, attridex: Any, old: Path) -> None:
    ran = attridex("serve", old, "--no-model", "--search-device", option)
    assert ran.code == 2
    assert ran.err.strip().splitlines()[-1].startswith(f"error: --search-device {option}: {said}")


def test_auto_is_a_gpu_with_room_and_else_the_cpu(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_devices("auto") == parse_devices("cpu") == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert parse_devices("auto") == parse_devices("cuda") == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert parse_devices("cuda:1") == [torch.device("cuda", 1)]
    with pytest.raises(InputError, match="torch sees 2 CUDA devices; use cpu"):
        memory.parse_devices("cuda:2")
    for free, there in ((0, False), (1 << 40, True)):
        monkeypatch.setattr(loading, "free_bytes", lambda _, free=free: free)
        assert (chosen_device("auto", old, verify=False) is not None) == there
