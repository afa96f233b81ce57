"""The paper's public findings beside the results: findings.py RESULTS writes RESULTS/README.md.

It reads RESULTS/<task>/<study>/result.json. A finding holds where the whole 95 % interval is on its side, does not hold where it
is on the other, and is open in between. Nothing is written by hand: a test makes the page anew and compares.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, Any]
TASKS = {"nli": "NLI (MNLI, HANS)", "averitec": "fact checking (AVeriTeC)", "csqa": "commonsense questions (CommonsenseQA)"}
IA = ("grad-dot", "grad-cos", "influence/hessian", "influence/fisher")
HOLDS, FAILS, OPEN = "holds", "does not hold", "open"
VERDICT = re.compile(r"\*\*(.+?)\*\*")
INTRODUCTION = """\
# The paper's findings beside these results

Made by `python tests/recipes/findings.py tests/results` from the files beside it. Yu, Atanasova and Augenstein (ACL 2024)
measured OPT-125m, BLOOM-560m and Pythia-410m; these are first layers of SmolLM2-135M on two CPU cores, with the definitions of
the main README. A finding **holds** where the whole bootstrap 95 % interval is on its side, **does not hold** where it is on the
other, and is **open** in between; "largely different" is less than half shared. Diversity and artefacts are judged against the IA
method that speaks most against the finding. Nothing was tuned towards the paper.

What differs from the paper:

- *Model and data*: a smaller model, cut to its first layers, trained on fewer instances than the paper's; results of one seed.
- *Neurons*: the input of the FFN's output projection (`site = "post"`; the paper's models were measured before the nonlinearity).
  Edits reach the position that the prediction is read from, and no other. An instance keeps the neurons above a tenth of its
  largest score, so "the top 100" are fewer where fewer are kept (the table `faithfulness` says how many in `used`).
- *Gradients*: of the head's weights, as in the paper, with the exact damped inverse for `influence`; LiSSA at the paper's
  settings ranks like `grad-dot` (`agreement`).
- *Corrected definitions, held by tests*: the same prompt for training, attribution and edits, no dropout while gradients are
  taken, the scores of an instance free of what was scored before it, the last token and not a padded one, seeded random
  baselines, no neuron counted twice towards r.

`attridex report tests/results/TASK` makes the page with all tables and figures of a task.
"""


def row(results: Tables, study: str, table: str, **wanted: Any) -> Row | None:
    """The row of a table that has these values."""
    rows = results.get(study, {}).get("tables", {}).get(table, [])
    return next((each for each in rows if all(each.get(key) == value for key, value in wanted.items())), None)


def shown(found: Row) -> str:
    """A mean with its interval."""
    return f"{found['mean']:.3g} ({found['low']:.3g} to {found['high']:.3g})"


def verdict(found: Row, bound: float, *, above: bool) -> str:
    """Whether the interval lies on the finding's side of a bound."""
    on_side, off_side = (found["low"] > bound, found["high"] < bound) if above else (found["high"] < bound, found["low"] > bound)
    return HOLDS if on_side else FAILS if off_side else OPEN


def cell(found: Row | None, bound: float, *, above: bool) -> str:
    """A figure and its verdict."""
    return "not measured" if found is None else f"{shown(found)}: **{verdict(found, bound, above=above)}**"


def unchanged(mode: str, r: int, bound: float) -> Callable[[Tables], str]:
    """Share of unchanged predictions by NA."""
    return lambda results: cell(
        row(results, "faithfulness", "faithfulness", method="na", mode=mode, r=r, measure="unchanged"), bound, above=True
    )


def subsets(results: Tables) -> str:
    """Subsets that are better than random ones; open where the whole pool teaches nothing, or random ones differ as much."""
    study = results.get("finetune-subsets", {})
    rows = study.get("tables", {}).get("accuracy", [])
    compared = [each for each in rows if each["measure"] == "above random" and each["end"] == "most"]
    if not compared:
        return "not measured"
    better = [each for each in compared if each["low"] > 0]
    whole = row(results, "finetune-subsets", "accuracy", method="whole pool", measure="accuracy")
    majority = study.get("facts", {}).get("majority", 0.0)
    if whole and not better and whole["low"] <= majority:
        taught = f"trained on the whole pool the model is right on {shown(whole)}, one answer to all on {majority:.3g}"
        return f"0 of {len(compared)} better, but {taught}: **{OPEN}**"
    named = ", ".join(f"{each['method']} {each['fraction']:.0%} by {shown(each)}" for each in better)
    if better and not any(beyond_draws(results, each) for each in better):
        return f"{len(better)} of {len(compared)} better ({named}), by no more than random subsets differ: **{OPEN}**"
    return f"{len(better)} of {len(compared)} better{f' ({named})' if named else ''}: **{FAILS if better else HOLDS}**"


def beyond_draws(results: Tables, better: Row) -> bool:
    """Whether a subset is better than one more random subset would be."""
    subset = {key: better[key] for key in ("method", "end", "fraction")}
    found = row(results, "finetune-subsets", "accuracy", **subset, measure="above draws")
    return found is not None and (found["low"] or 0) > 0


def compared(study: str, table: str, **wanted: Any) -> Callable[[Tables], str]:
    """A figure to compare with, without a verdict."""

    def find(results: Tables) -> str:
        found = row(results, study, table, **wanted)
        return "not measured" if found is None else shown(found)

    return find


def edited(results: Tables) -> str:
    """Neurons that are suppressed on average where a hundred are asked for."""
    found = row(results, "faithfulness", "faithfulness", method="na", mode="suppress", r=100, measure="unchanged")
    return "not measured" if found is None else f"{found['used']:.3g}"


def different(table: str, a: str, others: tuple[str, ...]) -> Callable[[Tables], str]:
    """The largest share of what NA finds that an IA method finds too."""

    def find(results: Tables) -> str:
        found = [each for other in others if (each := row(results, "overlap", table, a=a, b=other))]
        return cell(max(found, key=lambda each: float(each["mean"]), default=None), 0.5, above=False)

    return find


def more_diverse(results: Tables) -> str:
    """Mean cosine of the most influential tenth: NA-Instances against the most diverse IA method."""
    own = row(results, "diversity", "diversity", method="na-instances", measure="cosine")
    others = [each for name in IA if (each := row(results, "diversity", "diversity", method=name, measure="cosine"))]
    return against(own, min(others, key=lambda each: float(each["mean"]), default=None), lower=True)


def exposes(results: Tables) -> str:
    """Word overlap behind wrong answers: NA-Instances against the IA method that shows most of it."""
    own = row(results, "artefacts", "artefacts", method="na-instances", marker="word overlap")
    others = [each for name in IA if (each := row(results, "artefacts", "artefacts", method=name, marker="word overlap"))]
    return against(own, max(others, key=lambda each: float(each["mean"]), default=None), lower=False)


def against(own: Row | None, other: Row | None, *, lower: bool) -> str:
    """NA-Instances beside an IA method, judged by whether their intervals part."""
    if own is None or other is None:
        return "not measured"
    first, second = (own, other) if lower else (other, own)
    found = HOLDS if first["high"] < second["low"] else FAILS if second["high"] < first["low"] else OPEN
    return f"{shown(own)} against {shown(other)} ({other['method']}): **{found}**"


FINDINGS: dict[str, Callable[[Tables], str]] = {
    "Keeping the single most important neuron preserves over 80 % of predictions": unchanged("keep", 1, 0.8),
    "(keeping none, for comparison)": compared(
        "faithfulness", "faithfulness", method="any", mode="keep", r=0, measure="unchanged"
    ),
    "Suppressing the 100 most important leaves over 90 % unchanged": unchanged("suppress", 100, 0.9),
    "(neurons that this suppresses on average)": edited,
    "(100 random ones, for comparison)": compared(
        "faithfulness", "faithfulness", method="random", mode="suppress", r=100, measure="unchanged"
    ),
    "Influential subsets do no better than random ones of the same size": subsets,
    "IA and NA find largely different instances (the largest share of NA-Instances' ten that an IA method finds too)": different(
        "shared_instances", "na-instances", IA
    ),
    "IA and NA find largely different neurons (the largest share of NA's ten that IA-Neurons of a method finds too)": different(
        "shared_neurons", "na", tuple(f"ia-neurons/{name}" for name in IA)
    ),
    "(IA-Neurons of random instances, for comparison)": compared("overlap", "shared_neurons", a="na", b="ia-neurons/random"),
    "NA finds more diverse instances (mean cosine of states in the most influential tenth)": more_diverse,
    "(random sets, for comparison)": compared("diversity", "diversity", method="random sets", measure="cosine"),
    "NA is better at exposing artefacts (word overlap of the instances behind wrong answers)": exposes,
    "(the whole corpus, for comparison)": compared("artefacts", "artefacts", method="whole corpus", marker="word overlap"),
}


def read(directory: Path) -> dict[str, Any]:
    """Results of a task, by study."""
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*/result.json"))}


def retrained(studies: Tables) -> str:
    """On how much the models of the retraining studies were trained."""
    parts, flips = (studies.get(name, {}).get("facts", {}) for name in ("finetune-subsets", "mislabel"))
    models = f"; {parts['models']} models on parts of {parts['pool']} instances" if parts else ""
    flipped = f"; {flips['wrong']} labels flipped in {flips['instances']}" if flips else ""
    return models + flipped


def in_short(results: Mapping[str, Tables]) -> list[str]:
    """The verdicts alone, a column a task."""
    judged = {
        finding: [VERDICT.findall(measure(studies)) for studies in results.values()] for finding, measure in FINDINGS.items()
    }
    return [
        f"| the paper finds | {' | '.join(TASKS[task] for task in results)} |",
        f"|---{'|---' * len(results)}|",
        *(f"| {finding} | {' | '.join(''.join(each) for each in found)} |" for finding, found in judged.items() if any(found)),
        "",
    ]


def page(results: Mapping[str, Tables]) -> str:
    """The page of all tasks."""
    lines = [INTRODUCTION, *in_short(results)]
    for task, studies in results.items():
        about = next(iter(studies.values()))
        index, limit = about["index"], about["limit"]
        lines += [
            f"## {TASKS[task]}",
            "",
            f"{index['model']}, {index['layers']} layers of {index['units']} units, {index['instances']} training instances, "
            f"{studies.get('overlap', about)['facts'].get('queries', '?')} queries, seed {about['seed']}"
            f"{f', limited to {limit}' if limit else ''}{retrained(studies)}.",
            "",
            "| the paper finds | here |",
            "|---|---|",
            *(f"| {finding} | {measure(studies)} |" for finding, measure in FINDINGS.items()),
            "",
        ]
    return "\n".join(lines)


def main(directory: Path) -> None:
    """Write the page."""
    results = {task: found for task in TASKS if (found := read(directory / task))}
    (directory / "README.md").write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
