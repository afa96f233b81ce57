"""What stands below each figure, and what is said of it to who cannot see it."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from attridex.client.figures.drawing import Picture

BELOW = "All values are in the tables below."

ALT: Mapping[str, str] = {
    "faithfulness": "Four line charts against the number of neurons r: share of predictions unchanged and drop of probability, "
    "for suppressing and for keeping the top r neurons of each method.",
    "overlap": "Heat maps of what each pair of methods shares, instances and neurons.",
    "overlap-layers": "Histograms of the layers that the top neurons of each method lie in.",
    "diversity": "Bars of four measures of each method\u2019s most influential instances, beside random sets.",
    "agreement": "Heat map of Spearman\u2019s rank correlation for each pair of methods.",
    "artefacts": "For each marker a dot with its interval for each method, and the corpus\u2019s base rate.",
    "lds": "Bars of the linear datamodelling score of each method.",
    "mislabel": "Bars of AUC and precision of each signal at finding wrong labels.",
    "finetune-subsets": "Line chart of test accuracy against the share of training instances, for the most and the least "
    "influential by each method, beside random subsets and the whole pool.",
    "finetune-subsets-one-size": "A dot with its interval of the test accuracy of each part, beside random subsets.",
}

CAPTION: Mapping[str, str] = {
    "faithfulness": "Top: share of predictions that the edit leaves unchanged. Bottom: by how much the predicted label\u2019s "
    "probability falls. The diamond at r = 0 is the edit alone. Bands are 95 % bootstrap intervals over queries.",
    "overlap": "Row A, column B: the share of what A finds that B finds too, mean over queries. 1 is everything, 0 nothing.",
    "overlap-layers": "In which layers the top {r} neurons of all queries lie. Dotted outline: NA, to compare with.",
    "diversity": "The most influential {share} % of the training instances by each method. Grey band and dotted line: random "
    "sets of the same size (95 % of them, and their mean). Lines are 95 % bootstrap intervals over queries.",
    "agreement": "Blue: the same order; red: the opposite order; white: no relation. Mean over queries.",
    "artefacts": "Mean of each marker among the instances behind wrong answers. Dotted line and grey band: base rate in the "
    "whole corpus. Lines are 95 % bootstrap intervals over queries.",
    "lds": "Mean over queries. Lines are 95 % bootstrap intervals.",
    "mislabel": "Dotted: chance, which is 0.5 for AUC and the share of wrong labels for precision. Lines are 95 % bootstrap "
    "intervals over instances.",
    "finetune-subsets": "Solid: the most influential; dash-dotted: the least. Grey: random subsets of the same size. Dotted: "
    "the whole pool. Bands are 95 % bootstrap intervals over test instances.",
    "finetune-subsets-one-size": "Dotted line and grey band: random subsets of the same size, the mean of their draws. Lines and "
    "band are 95 % bootstrap intervals over test instances.",
}


def picture(name: str, figure: Figure, **values: Any) -> Picture:
    """A figure with its words; `values` stand in the caption."""
    return Picture(name, figure, f"{ALT[name]} {BELOW}", CAPTION[name].format(**values))
