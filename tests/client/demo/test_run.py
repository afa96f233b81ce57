"""The demo runs the whole way, and what it leaves shows what was planted."""

import json
from pathlib import Path
from typing import Any

import pytest

from attridex.client.demo.run import run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves."""
    out = tmp_path_factory.mktemp("demo") / "out"
    run_demo(out, 0)
    return out


def test_the_demo_runs_and_leaves_an_index_to_go_on_with(attridex: Any, demo: Path) -> None:
    page = (demo / "report.html").read_text()
    assert "<svg" in page
    assert "Evidence for single answers" in page
    assert (demo / "report.png").stat().st_size > 10_000
    ask = ("--index", demo / "index", "--queries", demo / "challenge.jsonl", "--limit", 3, "--json")
    flipped = attridex("query", "ia", *ask, "--method", "influence", "--curvature", "hessian", "--where", "flipped").lines
    assert all(hit["flipped"] for line in flipped for hit in line["hits"])
    assert json.loads(attridex("predict", *ask, "--keep", "na:1").out.splitlines()[0])["interventions"][0]["mode"] == "keep"
    ran = attridex("demo", "--out", demo, "--seed", 5)
    assert ran.code == 1
    assert "another seed" in ran.err


def study(attridex: Any, demo: Path, name: str, settings: str) -> list[dict[str, Any]]:
    """The first table of a study on the demo's index."""
    (demo / "settings.toml").write_text(settings)
    out = demo / f"study-{name}"
    ran = attridex(
        "study", name, "--index", demo / "index", "--queries", demo / "challenge.jsonl", "--out", out,
        "--settings", demo / "settings.toml",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    tables: dict[str, list[dict[str, Any]]] = json.loads((out / name / "result.json").read_text())["tables"]
    return next(iter(tables.values()))


def test_labels_that_are_known_to_be_flipped_are_found_well_above_random(attridex: Any, demo: Path) -> None:
    rows = study(attridex, demo, "mislabel", '[mislabel]\ncolumn = "flipped"\n')
    auc = {row["method"]: row for row in rows if row["measure"] == "auc"}
    for signal in ("self_influence", "neighbours by rep-sim", "neighbours by na-instances"):
        assert auc[signal]["low"] > 0.9, auc[signal]
    assert auc["random"]["low"] < 0.5 < auc["random"]["high"]


def test_the_planted_artefact_is_found_well_above_the_base_rate(attridex: Any, demo: Path) -> None:
    rows = study(attridex, demo, "artefacts", 'queries = 0\n[artefacts]\nfirst = "premise"\nsecond = "hypothesis"\n')
    overlaps = {row["method"]: row for row in rows if row["marker"] == "word overlap"}
    base = overlaps["whole corpus"]
    for method in ("grad-cos", "na-instances"):
        assert overlaps[method]["low"] > base["high"] + 0.1, overlaps[method]
        assert overlaps[method]["low"] > overlaps["random"]["high"], overlaps[method]
    assert overlaps["random"]["low"] < base["high"]
