"""What the section of each study holds: its figures, and tables of all numbers behind them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attridex.client.figures import bars as figures_bars
from attridex.client.figures import lines as figures_lines
from attridex.client.figures import words
from attridex.client.figures.captions import picture
from attridex.client.figures.drawing import Picture
from attridex.client.figures.numbers import number
from attridex.client.figures.tables import Axis, Table, distinct, pick, pivot
from attridex.client.figures.words import method_name
from attridex.client.report.contents_pairs import agreement, overlap

Result = Mapping[str, Any]
Contents = tuple[Sequence[Picture], Sequence[Table]]
METHOD = Axis("method", "method", method_name)


def faithfulness(result: Result) -> Contents:
    """Two measures under two edits."""
    rows = result["tables"]["faithfulness"]
    drawn = picture("faithfulness", figures_lines.faithfulness(rows))
    methods = tuple(method for method in distinct(rows, "method") if method != "any")
    # What r = 0 does is the same for every method.
    spread = [*rows, *({**row, "method": method} for row in pick(rows, method="any") for method in methods)]
    down = Axis("method", "neurons by", method_name, methods)
    across = Axis("r", "r", lambda r: f"r = {r}", tuple(sorted(distinct(rows, "r"))))
    tables = [
        pivot(pick(spread, mode=mode, measure=measure), down, across, f"{words.MODES[mode].capitalize()}: {label}", folded=True)
        for measure, label in words.FAITHFULNESS.items()
        for mode in words.MODES
    ]
    used = pick(spread, mode="suppress", measure="unchanged")
    caption = "Neurons edited on average (a method may name fewer than r)"
    return [drawn], [*tables, pivot(used, down, across, caption, text=lambda row: number(row["used"]), folded=True)]


def diversity(result: Result) -> Contents:
    """Four measures of the most influential."""
    rows = result["tables"]["diversity"]
    share = number(100 * result["config"]["share"])
    drawn = picture("diversity", figures_bars.diversity(rows), share=share)
    across = Axis("measure", "measure", lambda measure: words.DIVERSITY.get(measure, measure))
    return [drawn], [pivot(rows, METHOD, across, f"The most influential {share} %; n is queries, or random sets")]


def artefacts(result: Result) -> Contents:
    """Markers against base rates."""
    rows = result["tables"]["artefacts"]
    drawn = picture("artefacts", figures_bars.artefacts(rows))
    across = Axis("marker", "marker", words.marker_name)
    caption = "Markers of the instances behind wrong answers; n is wrong answers, or instances of the corpus"
    return [drawn], [pivot(rows, METHOD, across, caption)]


def lds(result: Result) -> Contents:
    """Scores, and differences to grad-dot."""
    rows = result["tables"]["lds"]
    drawn = picture("lds", figures_bars.lds(rows))
    names = {"lds": "LDS", "above grad-dot": "above grad-dot, paired over queries"}
    across = Axis("measure", "", lambda measure: names.get(measure, measure))
    return [drawn], [pivot(rows, METHOD, across, "Linear datamodelling score")]


def mislabel(result: Result) -> Contents:
    """AUC and precision."""
    rows, facts = result["tables"]["flipped"], result["facts"]
    base = facts["wrong"] / facts["instances"] if facts.get("wrong") and facts.get("instances") else 0.0
    chance = {"auc": 0.5, **({"precision": base} if base else {})}
    drawn = picture("mislabel", figures_bars.mislabel(rows, chance))
    names = {"auc": "AUC", "precision": "precision"}
    down, across = Axis("method", "signal", method_name), Axis("measure", "", lambda measure: names.get(measure, measure))
    return [drawn], [pivot(rows, down, across, "Finding wrong labels")]


def finetune(result: Result) -> Contents:
    """Accuracy of models trained on parts."""
    rows = result["tables"]["accuracy"]
    parts = [row for row in rows if row["method"] != "whole pool"]
    if len(distinct(parts, "fraction")) == 1:
        drawn = picture("finetune-subsets-one-size", figures_bars.finetune_one_size(pick(rows, measure="accuracy")))
    else:
        drawn = picture("finetune-subsets", figures_lines.finetune(rows))
    named = [{**row, "part": words.part_name(row)} for row in sorted(rows, key=lambda row: row["method"] == "whole pool")]
    down = Axis("part", "trained on")
    across = Axis("fraction", "share", lambda share: f"{number(100 * share)} %")
    captions = {
        "accuracy": "Test accuracy",
        "above random": "Accuracy above random subsets of the same size, paired over test instances",
        "above draws": "The same, with the interval that one more random subset would lie in; n is random subsets",
    }
    tables = [pivot(pick(named, measure=m), down, across, c) for m, c in captions.items() if pick(named, measure=m)]
    return [drawn], tables


CONTENTS: Mapping[str, Callable[[Result], Contents]] = {
    "faithfulness": faithfulness,
    "overlap": overlap,
    "diversity": diversity,
    "agreement": agreement,
    "artefacts": artefacts,
    "lds": lds,
    "mislabel": mislabel,
    "finetune-subsets": finetune,
}
