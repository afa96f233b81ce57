"""Every file and directory of an index has the mode that the umask leaves it, whichever library made it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.files import by_umask, file_mode


@pytest.mark.parametrize("mask", [0o002, 0o027])
def test_an_index_has_the_modes_that_the_umask_leaves(
    mask: int, project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    curved = {"curvature": ["kfac"], "parameters": "linear"}
    config = project(count=6, gradients=curved, index={"shard_rows": 5, "approximate": ["sq8"]})
    before = os.umask(mask)
    try:
        assert file_mode() == 0o666 & ~mask
        built = attridex("build", config, "--out", tmp_path / "index")
    finally:
        os.umask(before)
    assert built.code == 0, built.err
    made = [tmp_path / "index", *(tmp_path / "index").rglob("*")]
    assert any(path.suffix == ".safetensors" for path in made)
    wrong = {
        str(path.relative_to(tmp_path)): oct(path.stat().st_mode)
        for path in made
        if stat.S_IMODE(path.stat().st_mode) != (0o777 if path.is_dir() else 0o666) & ~mask
    }
    assert wrong == {}


def test_only_what_is_its_owner_s_alone_is_changed(tmp_path: Path) -> None:
    for name, mode in {"private": 0o600, "program": 0o755, "read": 0o444}.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
        by_umask(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == (file_mode() if name == "private" else mode)
