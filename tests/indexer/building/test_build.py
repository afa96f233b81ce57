"""Builds: resumable after any kill, refused where they cannot be right, checked to the last bit."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.indexer.building.contents import content
from tests.processes import interruptible

COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def start(config: Path, index: Path) -> "subprocess.Popen[str]":
    command = [*COMMAND, "build", str(config), "--out", str(index)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible)


def shards(index: Path) -> int:
    return len(list(index.glob("shards/[0-9]*/shard.json")))


def test_a_build_killed_again_and_again_gives_the_undisturbed_index(
    project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    config = project(
        count=24, index={"shard_rows": 1}, gradients={"curvature": ["hessian", "fisher"]}, engine={"batch_tokens": 60}
    )
    for until, how, code in ((1, signal.SIGKILL, -signal.SIGKILL), (5, signal.SIGTERM, 143), (9, signal.SIGINT, 130)):
        process = start(config, tmp_path / "killed")
        while shards(tmp_path / "killed") < until and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(how)
        _, err = process.communicate()
        assert process.returncode == code, err
        assert shards(tmp_path / "killed") < 24, "the build ended before it could be killed"
        if code > 0:
            assert err.splitlines()[-1] == "stopped; run the same command again to go on"
    assert attridex("build", config, "--out", tmp_path / "killed").code == 0
    assert attridex("build", config, "--out", tmp_path / "whole").code == 0
    killed, whole = content(tmp_path / "killed"), content(tmp_path / "whole")
    assert killed.keys() == whole.keys()
    assert [name for name in whole if killed[name] != whole[name]] == []
    assert attridex("verify", tmp_path / "killed").code == 0


def test_a_second_run_signs_nothing(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    config = project()
    assert attridex("build", config, "--out", tmp_path / "i", "--json").lines[0]["signed"] == 12
    assert attridex("build", config, "--out", tmp_path / "i", "--json").lines[0]["signed"] == 0


def test_other_settings_are_refused_and_named(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    assert attridex("build", project(), "--out", tmp_path / "i").code == 0
    ran = attridex("build", project(neurons={"steps": 7}), "--out", tmp_path / "i")
    assert ran.code == 2
    assert "neurons.steps = 20, now it is 7" in ran.err


def test_two_builds_at_once_are_refused(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    from attridex.indexer.index.directory import write_lock

    config = project()
    with write_lock(tmp_path / "i"):
        ran = attridex("build", config, "--out", tmp_path / "i")
    assert ran.code == 1
    assert "another process is writing to this index" in ran.err


def test_verify_finds_a_flipped_bit_in_every_file(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    index = tmp_path / "i"
    assert attridex("build", project(gradients={"curvature": ["hessian", "fisher"]}), "--out", index).code == 0
    files = [path for path in index.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(files) > 40
    rng = np.random.default_rng(0)
    for path in files:
        before = path.read_bytes()
        damaged = bytearray(before)
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        ran = attridex("verify", index)
        assert ran.code == 1, path
        assert path.name in ran.err, path
        path.write_bytes(before)
    assert attridex("verify", index).code == 0


def test_a_damaged_shard_is_refused_by_readers_and_rebuilt_by_a_build(
    project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    config, index = project(), tmp_path / "i"
    attridex("build", config, "--out", index)
    path = sorted(index.glob("shards/*/gradients.faiss"))[1]
    path.write_bytes(path.read_bytes()[:-10])
    ran = attridex("query", "ia", "--instance", "t1", "--index", index)
    assert ran.code == 1
    assert "gradients.faiss" in ran.err
    assert attridex("build", config, "--out", index, "--json").lines[0]["signed"] == 5
    assert attridex("verify", index).code == 0


def test_an_instance_without_finite_gradient_is_named_and_left_out(
    project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    from safetensors.torch import load_file, save_file

    config = project()
    broken = tmp_path / "broken"
    source = Path(config.read_text().split('path = "')[1].split('"')[0])
    shutil.copytree(source, broken)
    weights = load_file(broken / "model.safetensors")
    name = next(name for name in weights if "embed_tokens" in name)
    weights[name][20] = float("inf")  # one word
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    config.write_text(config.read_text().replace(str(source), str(broken)))
    ran = attridex("build", config, "--out", tmp_path / "i")
    assert ran.code == 1
    assert "left out, the first is 't" in ran.err
    assert attridex("build", config, "--out", tmp_path / "i", "--skip-bad").code == 0
    info = attridex("info", tmp_path / "i", "--json").lines[0]
    assert info["left_out"] + info["instances"] == 12
    assert info["left_out"] > 0


def test_a_full_disk_is_one_line_and_leaves_nothing_whole(project: Callable[..., Path], tmp_path: Path) -> None:
    config = project(count=60, index={"shard_rows": 60})

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [*COMMAND, "build", str(config), "--out", str(tmp_path / "i")]
    ran = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, preexec_fn=small_files)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("error:")
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert shards(tmp_path / "i") == 0


def test_shard_sizes_and_batches_do_not_change_answers(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    found = []
    for rows, tokens in ((1, 20), (5, 4096), (100, 64)):
        config = project(count=12, index={"shard_rows": rows}, engine={"batch_tokens": tokens}, neurons={"enabled": False})
        index = tmp_path / f"i{rows}"
        assert attridex("build", config, "--out", index).code == 0
        lines = attridex("query", "ia", "--queries", tmp_path / "queries.jsonl", "--index", index, "--k", 12, "--json").lines
        found.append({(line["query"], hit["id"]): hit["score"] for line in lines for hit in line["hits"]})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        np.testing.assert_allclose([other[key] for key in found[0]], list(found[0].values()), rtol=1e-4, atol=1e-5)


def test_every_projection_and_scope_builds_and_answers(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    for number, (parameters, projection) in enumerate(
        [("linear", "kronecker"), ("mlp", "sjlt"), ("linear", "gaussian"), ("fc2$", "rademacher"), ("head", "gaussian")]
    ):
        gradients = {"parameters": parameters, "projection": projection, "dim": 48, "curvature": ["fisher"]}
        config = project(gradients=gradients, neurons={"enabled": False})
        index = tmp_path / f"i{number}"
        assert attridex("build", config, "--out", index).code == 0
        ran = attridex("query", "ia", "--instance", "t3", "--index", index, "--method", "influence", "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["hits"][0]["rank"] == 1
