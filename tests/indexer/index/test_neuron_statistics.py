"""Neuron statistics in the catalog and the command that lists them, against plain loops over the stored neurons."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import duckdb
import pytest

from attridex.indexer.index.directory import read_manifest
from attridex.indexer.index.neuron_statistics import most_kept, most_lifted
from attridex.indexer.lifecycle.deleting import delete_rows

Neurons = dict[tuple[int, int], list[tuple[int, float, int]]]


@pytest.fixture
def index(indexed: Callable[..., Path]) -> Path:
    return indexed(count=30) / "index"


def rows(index: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(index / "versions/1/catalog.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def stored(index: Path) -> Neurons:
    """(row, score, rank) of every instance that keeps a neuron."""
    found: Neurons = defaultdict(list)
    for layer, unit, row, score, rank in rows(index, "SELECT layer, unit, row, score, rank FROM neurons"):
        found[layer, unit].append((row, score, rank))
    return found


def plain_statistics(index: Path) -> dict[tuple[int, int], tuple[float, ...]]:
    return {
        neuron: (len(hits), len(hits) / 30, mean(s for _, s, _ in hits), max(s for _, s, _ in hits), mean(r for *_, r in hits))
        for neuron, hits in stored(index).items()
    }


def plain_labels(index: Path, kind: str) -> dict[tuple[int, int, str], tuple[float, ...]]:
    """(kept, share, lift) of each neuron and label."""
    labels = dict(rows(index, f"SELECT row, {kind} FROM instances"))
    found = {}
    for (layer, unit), hits in stored(index).items():
        for label in set(labels.values()):
            kept = sum(labels[row] == label for row, *_ in hits)
            share = kept / sum(other == label for other in labels.values())
            if kept:
                found[layer, unit, label] = (kept, share, share / (len(hits) / 30))
    return found


def test_statistics_are_those_of_a_plain_loop(index: Path) -> None:
    found = rows(index, "SELECT layer, unit, kept, share, mean_score, max_score, mean_rank FROM neuron_statistics")
    expected = plain_statistics(index)
    assert len(found) == len(expected)
    for layer, unit, *values in found:
        assert values == pytest.approx(expected[layer, unit], rel=1e-6)
    assert [row[2] for row in found] == sorted((row[2] for row in found), reverse=True)


@pytest.mark.parametrize("kind", ["label", "predicted"])
def test_label_counts_and_lifts_are_those_of_a_plain_loop(kind: str, index: Path) -> None:
    found = rows(index, f"SELECT layer, unit, label, kept, share, lift FROM neuron_labels WHERE kind = '{kind}'")
    expected = plain_labels(index, kind)
    assert len(found) == len(expected)
    for layer, unit, label, *values in found:
        assert values == pytest.approx(expected[layer, unit, label])


def test_instances_that_a_neuron_fires_for_are_one_line_of_sql(index: Path) -> None:
    (layer, unit), hits = max(stored(index).items(), key=lambda item: len(item[1]))
    sql = f"""SELECT instances.*, score FROM neurons JOIN instances USING (row) WHERE layer = {layer} AND unit = {unit}
              ORDER BY score DESC"""
    found = rows(index, sql)
    assert [(row[0], row[-1]) for row in found] == [(row, score) for row, score, _ in sorted(hits, key=lambda h: -h[1])]


def test_the_command_lists_the_most_kept(index: Path, attridex: Any) -> None:
    expected = plain_statistics(index)
    order = sorted(expected, key=lambda neuron: (-expected[neuron][0], neuron))
    ran = attridex("neurons", index, "--top", 7, "--json")
    assert [(line["layer"], line["unit"]) for line in ran.lines] == order[:7]
    assert [line["kept"] for line in ran.lines] == [expected[neuron][0] for neuron in order[:7]]
    inside = attridex("neurons", index, "--layer", 1, "--top", 5, "--json").lines
    assert [(line["layer"], line["unit"]) for line in inside] == [neuron for neuron in order if neuron[0] == 1][:5]
    shown = attridex("neurons", index)
    assert shown.code == 0
    assert "mean score" in shown.out


@pytest.mark.parametrize("kind", ["label", "predicted"])
def test_the_command_lists_the_highest_lifts_of_a_label(kind: str, index: Path, attridex: Any) -> None:
    lifts, kept = plain_labels(index, kind), plain_statistics(index)
    label = sorted({name for *_, name in lifts})[0]
    inside = [neuron for *neuron, name in lifts if name == label and kept[tuple(neuron)][0] >= 4]
    order = sorted(inside, key=lambda n: (-lifts[(*n, label)][2], -kept[tuple(n)][0], n))
    options = ["--predicted"] if kind == "predicted" else []
    ran = attridex("neurons", index, "--label", label, *options, "--min-kept", 4, "--top", 6, "--json")
    assert [[line["layer"], line["unit"]] for line in ran.lines] == order[:6]
    for line in ran.lines:
        values = (line["label_kept"], line["label_share"], line["lift"])
        assert values == pytest.approx(lifts[line["layer"], line["unit"], label])


def test_tables_describe_the_build_and_the_command_says_how_many_are_deleted(index: Path, tmp_path: Path, attridex: Any) -> None:
    index = shutil.copytree(index, tmp_path / "index")
    before = attridex("neurons", index, "--json")
    delete_rows(index, [0, 3])
    after = attridex("neurons", index, "--json")
    assert after.lines == before.lines
    assert before.err == ""
    assert "stale: counted over 30 instances, 2 of which are deleted, and not over 0 that are live" in after.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label", "LABEL_7"], "no instance has the label 'LABEL_7'; did you mean 'LABEL_"),
        (["--layer", "3"], "layer 3: the model has 3, counted from 0"),
        (["--top", "0"], "--top"),
    ],
)
def test_what_is_not_there_is_refused(options: list[str], said: str, index: Path, attridex: Any) -> None:
    ran = attridex("neurons", index, *options)
    assert ran.code == 2
    assert said in ran.err


def test_labels_that_nobody_keeps_often_enough_are_said(index: Path, attridex: Any) -> None:
    ran = attridex("neurons", index, "--label", "LABEL_0", "--min-kept", 31, "--json")
    assert (ran.code, ran.lines) == (0, [])
    assert "lower --min-kept 31" in ran.err


def test_an_index_without_neurons_has_no_such_tables(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    assert attridex("build", project(neurons={"enabled": False}), "--out", tmp_path / "none").code == 0
    ran = attridex("neurons", tmp_path / "none")
    assert ran.code == 2
    assert "neurons.enabled = true" in ran.err
    assert rows(tmp_path / "none", "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'neuron%'") == [("neurons",)]


def test_targets_of_a_language_model_are_labels(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    assert attridex("build", project("gpt2", 12, "causal-lm"), "--out", tmp_path / "lm").code == 0
    label = rows(tmp_path / "lm", "SELECT label FROM instances WHERE row = 0")[0][0]
    ran = attridex("neurons", tmp_path / "lm", "--label", label, "--min-kept", 1, "--json")
    assert ran.code == 0, ran.err
    assert ran.lines
    assert "none has one" in attridex("neurons", tmp_path / "lm", "--label", label, "--predicted").err


def test_functions_give_what_the_catalog_holds(old: Path) -> None:
    manifest = read_manifest(old, "2")
    with duckdb.connect(str(old / "versions/2/catalog.duckdb"), read_only=True) as con:
        kept = dict(con.execute("SELECT neuron, count(*) FROM neurons GROUP BY neuron").fetchall())
    found = most_kept(old, manifest, layer=None, top=999)
    assert {row["layer"] * manifest.model.units + row["unit"]: row["kept"] for row in found} == kept
    lifted = most_lifted(old, manifest, "yes", kind="label", least=3, layer=1, top=5)
    assert all(row["layer"] == 1 and row["kept"] >= 3 for row in lifted)
    assert [row["lift"] for row in lifted] == sorted((row["lift"] for row in lifted), reverse=True)
