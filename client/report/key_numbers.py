"""The few numbers that a reader looks for first; only those that the results have."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attridex.client.figures.numbers import interval, number
from attridex.client.figures.tables import Row, distinct, pick
from attridex.client.figures.words import marker_name, method_name

Result = Mapping[str, Any]
Key = tuple[str, str, str]
"""Number, its interval, and what it is."""
BASELINES = ("random", "bm25", "rep-sim", "whole corpus")


def key_numbers(results: Mapping[str, Result]) -> list[Key]:
    """All that there are, in the order of the page."""
    found: list[Key] = []
    for name, keys in KEYS.items():
        if name in results:
            found += keys(results[name])
    return found


def key(row: Row, words: str) -> Key:
    """A row as a number with words."""
    mean = number(row["mean"])
    return mean, interval(row).removeprefix(mean).strip(), words


def tables(result: Result, name: str) -> list[Row]:
    """Rows with a mean; none where the table is missing."""
    return [row for row in result["tables"].get(name) or [] if row.get("mean") is not None]


def faithfulness(result: Result) -> Iterator[Key]:
    """Predictions unchanged: the smallest set kept, the largest suppressed, each beside what it must be compared with."""
    rows = pick(tables(result, "faithfulness"), measure="unchanged")
    named = sorted(r for r in distinct(rows, "r") if r)
    if not named or not pick(rows, method="na"):
        return
    for mode, r in (("keep", named[0]), ("suppress", named[-1])):
        neurons = "neuron" if r == 1 else f"{r} neurons"
        what = f"keeping only the top {neurons} by NA" if mode == "keep" else f"suppressing the top {neurons} by NA"
        beside = [("no neuron kept", 0, "any")] if mode == "keep" else []
        notes = [
            f"{words} {number(row['mean'])}"
            for words, size, method in [*beside, ("random neurons", r, "random")]
            for row in pick(rows, mode=mode, r=size, method=method)
        ]
        for row in pick(rows, method="na", mode=mode, r=r):
            yield key(row, f"of predictions unchanged when {what}{compared(notes)}")


def compared(notes: Sequence[str]) -> str:
    """What to compare with, in brackets."""
    return f" ({', '.join(notes)})" if notes else ""


def overlap(result: Result) -> Iterator[Key]:
    """What NA-Instances shares with the instance method that is nearest to it."""
    rows = [row for row in pick(tables(result, "shared_instances"), a="na-instances") if row["b"] not in BASELINES]
    if rows:
        nearest = max(rows, key=lambda row: float(row["mean"]))
        yield key(
            nearest,
            f"of NA-Instances\u2019 top {result['facts']['k']} are found by {method_name(nearest['b'])} too, the nearest method",
        )


def artefacts(result: Result) -> Iterator[Key]:
    """The first marker: the best methods against the base rate."""
    rows = tables(result, "artefacts")
    if not rows:
        return
    own = pick(rows, marker=rows[0]["marker"])
    base, others = pick(own, method="whole corpus"), [row for row in own if row["method"] not in ("whole corpus", "random")]
    if base and others:
        best = max(others, key=lambda row: float(row["mean"]))
        what = f"mean {marker_name(best['marker'])} of the instances behind wrong answers by {leaders(others)}"
        yield key(best, f"{what} (base rate {number(base[0]['mean'])})")


def leaders(rows: Sequence[Row]) -> str:
    """Names of the methods with the highest mean, all that share it."""
    top = max(row["mean"] for row in rows)
    return ", ".join(dict.fromkeys(method_name(row["method"]) for row in rows if row["mean"] == top))


def best_of(result: Result, table: str, measure: str, words: str) -> Iterator[Key]:
    """The highest mean of a measure, with who has it."""
    rows = [row for row in pick(tables(result, table), measure=measure) if row["method"] != "random"]
    if rows:
        yield key(max(rows, key=lambda row: float(row["mean"])), words.format(leaders(rows)))


def lds(result: Result) -> Iterator[Key]:
    """The best method."""
    yield from best_of(result, "lds", "lds", "linear datamodelling score of the best method, {}")


def mislabel(result: Result) -> Iterator[Key]:
    """The best signal."""
    yield from best_of(result, "flipped", "auc", "AUC at finding wrong labels by the best signal, {} (chance 0.5)")


KEYS: Mapping[str, Any] = {
    "faithfulness": faithfulness,
    "overlap": overlap,
    "artefacts": artefacts,
    "lds": lds,
    "mislabel": mislabel,
}
