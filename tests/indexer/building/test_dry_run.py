"""A dry run says what the build then does, and writes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import pytest

from attridex.indexer.building import load as load_module
from attridex.indexer.building import pilot as pilot_module
from attridex.indexer.building.fit import FEW, sample_fit
from attridex.indexer.building.load import Load
from attridex.indexer.building.pace import Pace
from attridex.indexer.building.pilot import groups
from attridex.indexer.building.plan import prepared
from attridex.indexer.config import load_config
from attridex.indexer.curvature.matrices import largest, stored_bytes
from attridex.indexer.gradients.replayed import Replayed
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.layout import CURVATURE
from attridex.indexer.signing.signer import Signer
from tests.conftest import write_jsonl

FILES = ("gradients", "hidden", "activations", "attributions", "tracin")


def vector_bytes(index: Path, name: str) -> int:
    """Bytes of the elements of one kind of vector."""
    stored = [faiss.read_index(str(path)) for path in index.glob(f"shards/*/{name}.faiss")]
    return sum(each.codes.size() for each in stored)


@pytest.mark.parametrize(
    ("family", "task", "sections"),
    [
        ("opt", "sequence-classification", {"gradients": {"curvature": ["fisher"]}}),
        ("opt", "sequence-classification", {"gradients": {"parameters": "linear", "dim": 512, "curvature": ["ekfac"]}}),
        ("bert", "multiple-choice", {"neurons": {"enabled": False}}),
        ("llama", "causal-lm", {"index": {"precision": "float16", "shard_rows": 20}}),
        ("gpt2", "causal-lm", {"corpus": {"per_token": True}, "gradients": {"dim": 256}}),
    ],
)
def test_a_forecast_is_what_the_build_does(
    family: str,
    task: str,
    sections: dict[str, Any],
    project: Callable[..., Path],
    tmp_path: Path,
    attridex: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(load_module, "SAMPLE", 20)
    defaults = {"index": {"shard_rows": 25}, "neurons": {"steps": 3}}
    merged = {name: {**defaults.get(name, {}), **sections.get(name, {})} for name in {*defaults, *sections}}
    config, index = project(family, count=60, task=task, **merged), tmp_path / "i"
    before = sorted(tmp_path.rglob("*"))
    ran = attridex("build", config, "--out", index, "--dry-run", "--json")
    assert ran.code == 0, ran.err
    (said,) = ran.lines
    assert sorted(tmp_path.rglob("*")) == before
    assert said["pilot"] == 20
    built = attridex("build", config, "--out", index, "--json").lines[0]
    manifest = attridex("info", index, "--json").lines[0]["manifest"]
    assert said["instances"] == built["instances"]
    assert said["tokens"] == manifest["corpus"]["tokens"]
    assert said["truncated"] == built["truncated"]
    assert said["there"] == 0
    assert said["gradient_dim"] == built["gradient_dim"]
    assert said["shards"] == len(manifest["shards"])
    assert {name: said["vectors"].get(name, 0) for name in FILES} == {name: vector_bytes(index, name) for name in FILES}
    assert said["disk"] == pytest.approx(built["bytes"], rel=0.25)
    assert said["memory"]["host"] > said["memory"]["model"] + said["memory"]["range"]
    assert said["seconds"]["total"] > 0
    assert (said["seconds"]["neurons"] > 0) == manifest["neurons"]


def test_checkpoints_count(project: Callable[..., Path], model_dir: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    config = project(count=20, model={"checkpoints": [str(model_dir("opt"))] * 2})
    (said,) = attridex("build", config, "--out", tmp_path / "i", "--dry-run", "--json").lines
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    assert said["vectors"]["tracin"] == vector_bytes(tmp_path / "i", "tracin")


def test_people_get_a_table(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    ran = attridex("build", project(), "--out", tmp_path / "i", "--dry-run")
    assert ran.code == 0
    for word in ("instances", "tokens", "disk", "gradients", "peak memory", "time", "pilot"):
        assert word in ran.out
    assert not (tmp_path / "i").exists()


def test_a_pilot_ends_when_its_time_is_up(project: Callable[..., Path], tmp_path: Path, attridex: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(pilot_module, "SECONDS", 0.0)
    config = project(count=80, engine={"batch_tokens": 200})
    (said,) = attridex("build", config, "--out", tmp_path / "i", "--dry-run", "--json").lines
    assert 0 < said["pilot"] <= 10  # the first group: the longest instances, of 20 tokens and more, that a batch holds
    assert said["instances"] == 80


@pytest.mark.parametrize(
    "sections",
    [
        {"corpus": {"segments": ["{premis}"]}},
        {"model": {"path": "/no/such/model"}},
        {"gradients": {"parameters": "nowhere.*"}},
        {"model": {"max_length": 4}},
    ],
)
def test_what_a_build_refuses_a_dry_run_refuses(
    sections: dict[str, Any], project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    config = project(**sections)
    ran = attridex("build", config, "--out", tmp_path / "i", "--dry-run")
    assert (ran.code, ran.err) == (2, attridex("build", config, "--out", tmp_path / "i").err)


def test_an_index_of_other_settings_is_refused_and_left_alone(
    project: Callable[..., Path], tmp_path: Path, attridex: Any
) -> None:
    index = tmp_path / "i"
    assert attridex("build", project(), "--out", index).code == 0
    before = {path: path.stat().st_mtime_ns for path in index.rglob("*")}
    (said,) = attridex("build", project(), "--out", index, "--dry-run", "--json").lines
    assert said["there"] == said["instances"]
    ran = attridex("build", project(neurons={"steps": 7}), "--out", index, "--dry-run")
    assert ran.code == 2
    assert "neurons.steps = 20, now it is 7" in ran.err
    assert {path: path.stat().st_mtime_ns for path in index.rglob("*")} == before
    write_jsonl(tmp_path / "other", [])
    assert "not empty and not an index" in attridex("build", project(), "--out", tmp_path, "--dry-run").err


def test_groups_are_a_partition_whose_beginnings_cover_all_lengths() -> None:
    lengths = sorted(((n * 37) % 90 + 5 for n in range(256)), reverse=True)
    found = groups(lengths, 500, 40)
    assert sorted(row for rows in found for row in rows) == list(range(256))
    assert all(sum(lengths[row] for row in rows) <= 500 or len(rows) == 1 for rows in found)
    assert found[0].start == 0
    assert sum(lengths[row] for row in found[0]) > 500 - max(lengths)
    assert abs(found[1].start - 128) < 64
    assert len(groups([7], 500, 40)) == 1


def test_loads_count_what_the_neuron_passes_see() -> None:
    from attridex.indexer.corpus.instances import RenderedInstance

    load = Load()
    load.add(RenderedInstance("a", ((1, 2, 3, 4, 5),), None, "", False, {}, reads=(2, 3), wanted=(4, 5)))
    assert (load.tokens, load.probes, load.probe_tokens) == (5, 2, 3 + 4)
    load.add(RenderedInstance("b", ((1, 2, 3), (1, 2, 3, 4)), 0, "", False, {}))
    assert (load.instances, load.tokens, load.probes, load.probe_tokens) == (2, 12, 3, 11)


@pytest.mark.parametrize("kinds", [["hessian"], ["fisher"], ["trak"], ["ekfac", "kfac"], ["ekfac", "fisher"]])
def test_a_curvature_that_is_too_large_for_a_pilot_is_reckoned(
    kinds: list[str], project: Callable[..., Path], tmp_path: Path, attridex: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(pilot_module, "DECOMPOSED", 1)
    scope = {} if kinds == ["hessian"] else {"parameters": "mlp", "dim": 600}
    config = project(gradients={"curvature": kinds, **scope}, neurons={"enabled": False})
    (said,) = attridex("build", config, "--out", tmp_path / "i", "--dry-run", "--json").lines
    built = attridex("build", config, "--out", tmp_path / "i", "--json").lines[0]
    assert said["disk"] == pytest.approx(built["bytes"], rel=0.25)
    blocks = read_manifest(tmp_path / "i", "1").blocks
    written = (tmp_path / "i" / "versions" / "1" / CURVATURE).stat().st_size
    assert stored_bytes(kinds, blocks) == pytest.approx(written, abs=4096), "but names and shapes"
    assert largest(kinds, blocks) ** 2 * 8 <= written


def test_the_fit_is_of_a_few_instances_however_long_they_take(project: Callable[..., Path], tmp_path: Path) -> None:
    build = prepared(load_config(project(count=40)), tmp_path / "index")
    found = sample_fit(build.signer, build.sampler.kept, build.plan.tally, Pace(gradients=1e9))
    assert found is not None
    assert found.counted == FEW


def test_passes_that_a_gpu_cannot_replay_are_told(
    project: Callable[..., Path], tmp_path: Path, attridex: Any, monkeypatch: Any
) -> None:
    def unrecordable(work: Any) -> Any:
        raise RuntimeError("what it computes depends on values")

    plain = Signer._taking
    monkeypatch.setattr(Signer, "_taking", lambda signer, loaded: Replayed(plain(signer, loaded), unrecordable))
    config = project("opt", count=12, neurons={"enabled": False})
    ran = attridex("build", config, "--out", tmp_path / "i", "--dry-run")
    assert ran.code == 0, ran.err
    assert "not used for gradients: a pass cannot be recorded (what it computes depends on values)" in " ".join(ran.out.split())
