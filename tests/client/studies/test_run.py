"""attridex study: planted truths are found, a killed run goes on to the same results, bad input is one line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from attridex.client.studies.registry import study_names
from attridex.client.studies.run import check_answers, has_work
from attridex.client.workbench.context import NotPossibleError
from tests.client.studies.conftest import WIRED, result
from tests.conftest import Ran

NAMES = study_names()


def command(project: Path, out: Path, *more: str) -> list[str]:
    """`study all` on a trained project."""
    return [
        "study", "all", "--index", str(project / "index"), "--queries", str(project / "test.jsonl"), "--out", str(out),
        "--settings", str(project / "settings.toml"), *more,
    ]  # fmt: skip


def contents(out: Path) -> dict[str, Any]:
    """All results of a run but how long it took."""
    found: dict[str, Any] = {}
    for path in sorted(out.glob("*/result.json")):
        found[path.parent.name] = {key: value for key, value in json.loads(path.read_text()).items() if key != "times"}
    for path in sorted(out.glob("*/*.parquet")):
        found[str(path.relative_to(out))] = pq.read_table(path).to_pylist()
    return found


def differences(a: Any, b: Any, at: str = "") -> list[str]:
    """Where two contents differ; numbers may by what a batch's other members change in float32."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{at}/{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [found for number, pair in enumerate(zip(a, b, strict=True)) for found in differences(*pair, f"{at}/{number}")]
    same = a == pytest.approx(b, rel=1e-4, abs=1e-6) if isinstance(a, float) and isinstance(b, float) else a == b
    return [] if same else [f"{at}: {a!r}, {b!r}"]


def test_na_finds_the_one_neuron_that_decides(wired: Path, tmp_path: Path, attridex: Callable[..., Ran]) -> None:
    out = tmp_path / "out"
    asked = ("--index", wired, "--queries", tmp_path / "queries.jsonl", "--out", out)
    ran = attridex("study", "faithfulness", *asked)
    assert ran.code == 0, ran.err
    rows = result(out, "faithfulness")["tables"]["faithfulness"]
    unchanged = {(r["method"], r["mode"], r["r"]): r["mean"] for r in rows if r["measure"] == "unchanged"}
    assert unchanged["na", "keep", 1] == 1.0, "the neuron alone preserves every prediction"
    assert unchanged["na", "suppress", 1] == 0.0, "without the neuron every prediction is another"
    assert unchanged["any", "suppress", 0] == 1.0
    assert unchanged["any", "keep", 0] == 0.0
    assert unchanged["random", "suppress", 1] >= 0.9
    assert unchanged["random", "keep", 1] <= 0.1
    ran = attridex("study", "overlap", *asked)
    assert ran.code == 0, ran.err
    found = pq.read_table(out / "overlap" / "neurons.parquet").to_pylist()
    assert {row["neurons"][0] for row in found if row["method"] == "na"} == {f"{WIRED[0]}-{WIRED[1]}"}


@pytest.fixture(scope="module")
def undisturbed(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of `study all` in one go."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    ran = subprocess.run(process(trained_project, out), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return out


def process(project: Path, out: Path) -> list[str]:
    """The command in a process of its own."""
    return [sys.executable, "-c", "from attridex.client.commands.app import main; main()", *command(project, out)]


def test_every_study_leaves_figures_with_intervals_and_what_they_are_of(undisturbed: Path) -> None:
    for name in NAMES:
        found = result(undisturbed, name)
        assert found["seed"] == 0
        assert found["index"]["version"]
        assert found["versions"]["torch"]
        assert found["config"] is not None
        assert found["times"]["seconds"] > 0
        assert not found["times"]["resumed"]
        assert found["tables"], name
        if name == "evidence":
            continue
        for table, rows in found["tables"].items():
            if table != "layers":
                assert all({"mean", "low", "high", "n"} <= set(row) for row in rows), (name, table)


def test_results_hold_no_text_of_the_corpus(undisturbed: Path, trained_project: Path) -> None:
    texts = [json.loads(line)["premise"] for line in (trained_project / "train.jsonl").read_text().splitlines()]
    for path in undisturbed.glob("*/result.json"):
        assert not [text for text in texts if text in path.read_text()], path


def test_a_study_that_was_killed_goes_on_to_the_same_results(undisturbed: Path, trained_project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for mark in ("work/interventions.jsonl", "work/scores", "work/models/*.json"):
        with subprocess.Popen(process(trained_project, out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
            until = time.monotonic() + 300
            while not list(out.glob(mark)) and running.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            assert running.poll() is None, f"ended before it could be killed at {mark}"
            os.kill(running.pid, signal.SIGKILL)
    trained = {path: path.stat().st_mtime_ns for path in out.glob("work/models/*.json")}
    ran = subprocess.run(process(trained_project, out), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert differences(contents(out), contents(undisturbed)) == []
    assert any(result(out, name)["times"]["resumed"] for name in NAMES)
    assert trained == {path: path.stat().st_mtime_ns for path in trained}, "a model that was trained is not trained again"


def test_what_is_done_is_not_done_again(undisturbed: Path, trained_project: Path, attridex: Callable[..., Ran]) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.glob("*/result.json")}
    ran = attridex(*command(trained_project, undisturbed))
    assert ran.code == 0, ran.err
    assert ran.err.count("done already") == len(NAMES)
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.glob("*/result.json")}


def test_json_gives_one_result_a_line(undisturbed: Path, trained_project: Path, attridex: Callable[..., Ran]) -> None:
    ran = attridex(*command(trained_project, undisturbed, "--json"))
    assert [line["study"] for line in ran.lines] == list(NAMES)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--seed": "1"}, "holds results of other queries, settings, seed or index version"),
        ({"study": "faithfulnes"}, "unknown study 'faithfulnes'; known: "),
        ({"--queries": "nowhere.jsonl"}, "nowhere.jsonl: no such query file"),
        ({"--settings": "nowhere.toml"}, "nowhere.toml: No such file or directory"),
        ({"--settings": "querys = 3"}, "unknown key 'querys'; did you mean 'queries'?"),
        ({"--settings": "[faithfulness]\nsize = [1]"}, "[faithfulness]: unknown key 'size'; did you mean 'sizes'?"),
        ({"--settings": '[lds]\nretrain = "all"'}, "[lds]: retrain: Input should be 'head' or 'model'"),
        ({"--settings": "[lds]\nhalves = 'many'"}, "[lds]: halves: Input should be a valid integer"),
        ({"--settings": "[overlap]\nk = true"}, "[overlap]: k: Input should be a valid integer"),
        ({"--settings": "queries = -3"}, "queries: -3 must not be negative"),
        ({"--settings": "[diversity]\nshare = 2.0"}, "[diversity]: share: 2.0 is no share; above 0 and at most 1 is right"),
        ({"--settings": "[finetune-subsets]\nfractions = [0.5, 0.0]"}, "fractions: 0.0 is no share"),
        ({"--settings": 'label = "golden"'}, "label: Input should be 'predicted' or 'gold'"),
        ({"--settings": 'methods = "grad-dot"'}, "methods: Input should be a valid array"),
        ({"--settings": '[artefacts]\nfirst = "premise"', "study": "artefacts"}, "first and second go together"),
        ({"--settings": "[lds]\nhalves = 1", "study": "lds"}, "[lds] halves = 1: at least 2 are needed"),
        ({"--settings": 'same = { "no" = ["nope"] }'}, "same: 'no' stands for 'nope'; the model's labels are "),
        ({"--out": "a-file"}, "a-file: a file; --out is a directory"),
        ({"--settings": 'methods = ["grad-dott"]'}, "methods: 'grad-dott' is not answered by this index; it answers bm25"),
    ],
)
def test_bad_input_is_one_line_and_costs_nothing(
    change: dict[str, str], says: str, undisturbed: Path, trained_project: Path, tmp_path: Path, attridex: Callable[..., Ran]
) -> None:
    before = contents(undisturbed)
    arguments = command(trained_project, undisturbed if "--seed" in change else tmp_path / "out", "--seed", "0")
    for key, value in change.items():
        if key == "--out":
            (tmp_path / value).touch()
            value = str(tmp_path / value)
        if key == "--settings" and not value.endswith(".toml"):
            (tmp_path / "settings.toml").write_text(value)
            value = str(tmp_path / "settings.toml")
        arguments[arguments.index(key) + 1 if key != "study" else 1] = value
    ran = attridex(*arguments)
    assert ran.code == 2, ran.err
    assert ran.err.count("\n") == 1
    assert says in ran.err
    assert contents(undisturbed) == before


LEFT_OUT = {"multiple-choice": {"mislabel", "finetune-subsets"}, "causal-lm": {"lds", "mislabel", "finetune-subsets"}}


@pytest.mark.parametrize("task", ["multiple-choice", "causal-lm"])
def test_studies_of_other_tasks_and_what_they_cannot_do_is_said(
    task: str, project: Callable[..., Path], tmp_path: Path, attridex: Callable[..., Ran]
) -> None:
    config = project("opt", 12, task, neurons={"steps": 4})
    assert attridex("build", config, "--out", tmp_path / "index").code == 0
    second = "choices" if task == "multiple-choice" else "premise"
    (tmp_path / "settings.toml").write_text(
        f'[faithfulness]\nsizes = [1]\n[lds]\nhalves = 4\n[artefacts]\nfirst = "premise"\nsecond = "{second}"\n'
    )
    out = tmp_path / "out"
    ran = attridex(
        "study", "all", "--index", tmp_path / "index", "--queries", tmp_path / "queries.jsonl", "--out", out,
        "--settings", tmp_path / "settings.toml",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    done = {path.parent.name for path in out.glob("*/result.json")}
    assert set(NAMES) - done == LEFT_OUT[task]
    for name in LEFT_OUT[task]:
        assert f"{name}: left out: " in ran.err
    rows = result(out, "faithfulness")["tables"]["faithfulness"]
    drop = next(row["mean"] for row in rows if (row["mode"], row["r"], row["measure"]) == ("suppress", 0, "drop"))
    assert drop == pytest.approx(0, abs=1e-6), "suppressing nothing changes nothing"
    texts = json.loads((out / "evidence" / "texts.json").read_text())
    choices = [each.get("choices") for each in texts.values()]
    assert task == "causal-lm" or all(isinstance(each, list) for each in choices), "of instances as of queries"


def test_a_run_that_was_refused_does_not_bind_its_directory(
    trained_project: Path, tmp_path: Path, attridex: Callable[..., Ran]
) -> None:
    arguments = command(trained_project, tmp_path / "out", "--limit", "2")
    arguments[1] = "overlap"
    at = arguments.index("--settings") + 1
    for number, (settings, code) in enumerate([("[overlap]\nk = 0", 2), ('label = "gold"\n[overlap]\nk = 2', 0)]):
        arguments[at] = str(tmp_path / f"{number}.toml")
        Path(arguments[at]).write_text(settings)
        ran = attridex(*arguments)
        assert ran.code == code, ran.err


def test_only_what_was_asked_or_found_counts_as_work(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for name in ("work/a.jsonl.job", "work/lds.begun.json", "run.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "work" / "empty.jsonl").touch()
    assert not has_work(tmp_path)
    (tmp_path / "work" / "asked.jsonl").write_text("{}")
    assert has_work(tmp_path)


def test_a_label_that_no_answer_can_be_is_refused(trained_project: Path, tmp_path: Path, attridex: Callable[..., Ran]) -> None:
    (tmp_path / "queries.jsonl").write_text(json.dumps({"id": "q", "premise": "a", "hypothesis": "b", "label": "banana"}))
    arguments = command(trained_project, tmp_path / "out")
    arguments[1] = "artefacts"
    arguments[arguments.index("--queries") + 1] = str(tmp_path / "queries.jsonl")
    ran = attridex(*arguments)
    assert ran.code == 2, ran.err
    assert "label 'banana' is none of the model's" in ran.err
    assert 'same = { "banana" = [...] }' in ran.err


@pytest.mark.parametrize("task", ["regression", "multi-label", "token-classification"])
def test_a_study_of_right_answers_is_refused_where_there_is_not_one(task: str) -> None:
    with pytest.raises(NotPossibleError, match="asks whether one answer is right"):
        check_answers("faithfulness", task)
    check_answers("lds", task)
    check_answers("faithfulness", "sequence-classification")


@pytest.mark.parametrize(("study", "table"), [("lds", "lds"), ("mislabel", "flipped"), ("finetune-subsets", "accuracy")])
def test_several_training_seeds_are_in_the_intervals(
    study: str, table: str, trained_project: Path, tmp_path: Path, attridex: Callable[..., Ran]
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        'queries = 8\nmethods = ["grad-dot", "random"]\n[lds]\nretrain = "model"\nhalves = 3\n[mislabel]\npool = 20\n'
        "[finetune-subsets]\nfractions = [0.5]\nseeds = 2\n"
    )
    asked = ["study", study, "--index", trained_project / "index", "--queries", trained_project / "test.jsonl"]
    for seeds in (1, 2):
        out = tmp_path / str(seeds)
        ran = attridex(*asked, "--settings", settings, "--out", out, "--seeds", seeds)
        assert ran.code == 0, ran.err
        found = result(out, study)
        assert found["facts"]["seeds"] == seeds
        assert ("--seeds 2" in " ".join(found["notes"])) == (seeds == 1), "one seed is told to have no chance of its own"
        assert all(row["low"] <= row["mean"] <= row["high"] for row in found["tables"][table] if row["low"] is not None)
        assert found["facts"]["fit"]["counted"] in (40, 20)
        assert ("seeds" in found["common"]) == (seeds > 1)
