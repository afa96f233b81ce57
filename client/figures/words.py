"""The report's words: names of methods and measures, and what each study measures, said plainly."""

from collections.abc import Mapping
from typing import Any

STUDIES = ("faithfulness", "overlap", "diversity", "agreement", "artefacts", "lds", "mislabel", "finetune-subsets", "evidence")
"""In the order of the page."""

TITLES: Mapping[str, str] = {
    "faithfulness": "Faithfulness of neurons",
    "overlap": "Overlap of instances and neurons",
    "diversity": "Diversity of the most influential instances",
    "agreement": "Agreement between methods",
    "artefacts": "Artefacts behind wrong answers",
    "lds": "Linear datamodelling score",
    "mislabel": "Finding wrong labels",
    "finetune-subsets": "Fine-tuning on influential instances",
    "evidence": "Evidence for single answers",
}

MEASURED: Mapping[str, str] = {
    "faithfulness": "Each query is answered again after an edit at the position that the prediction is read from. Suppress sets "
    "the top r neurons of a method to 0 there: if these neurons carry the prediction, it should change. Keep sets"
    " all other neurons of every layer to 0 there: if the r neurons are enough, the prediction should stay. At r "
    "= 0 nothing is named by any method, so that point says what the edit alone does; a method has to be read "
    "against it and against random neurons.",
    "overlap": "Do two methods find the same things? For every query the top training instances (and the top neurons) of one"
    " method are compared with those of another: the share of A\u2019s that B finds too, averaged over queries. Few "
    "unique ones over all queries mean that a method names the same instances or neurons whatever is asked.",
    "diversity": "All training instances are ranked by the sum of their ranks over the queries; the top share of each method "
    "is described and set beside random sets of the same size. A high mean cosine says that the instances look "
    "alike to the model, a low loss that it finds them easy.",
    "agreement": "Spearman\u2019s rank correlation between the scores that two methods give to all training instances, "
    "averaged over queries: 1 is the same order, 0 is no relation, \u22121 is the opposite order.",
    "artefacts": "For queries that the model gets wrong, do the training instances behind the answer show the surface pattern "
    "that could have misled it? The mean of each marker among a method\u2019s top instances is set against the "
    "base rate in the whole corpus: the further from the dotted line, the more the method exposes the pattern.",
    "lds": "Models are retrained on random halves of the training data. A method\u2019s score of a query is the rank "
    "correlation, over the halves, between the loss that it foretells (the sum of its scores in the half) and the"
    " loss that was measured. 1 is perfect, 0 is no better than chance.",
    "mislabel": "A known part of the labels is wrong. Each signal ranks all instances by how suspicious they look; the AUC is"
    " the chance that a wrongly labelled instance looks more suspicious than a rightly labelled one. 0.5 is "
    "chance, 1 is perfect.",
    "finetune-subsets": "The pretrained model is trained anew on the instances that a method ranks highest (most) or "
    "lowest (least), and on random subsets of the same size; all are tested on the same held-out instances. A ranking is useful "
    "for choosing data only where it leaves the random subsets behind.",
    "evidence": "For single queries: what the model says, the training instances that each method puts first, the neurons "
    "that raise the probability of the answer most (NA), and what becomes of that probability when they are "
    "suppressed or kept alone.",
}

PUBLISHED: Mapping[str, str] = {
    "faithfulness": "keeping the single most important neuron preserves over 80 % of predictions; suppressing the 100 most "
    "important leaves over 90 % unchanged.",
    "overlap": "instance attribution and neuron attribution find largely different instances and neurons.",
    "diversity": "neuron attribution finds more diverse instances.",
    "artefacts": "neuron attribution is better at exposing artefacts.",
    "finetune-subsets": "influential subsets do no better than random ones of the same size.",
}
"""Findings of the paper, as far as public, to be compared with."""

NAMES: Mapping[str, str] = {
    "na": "NA",
    "na-instances": "NA-Instances",
    "any": "no neuron",
    "whole corpus": "whole corpus",
    "random sets": "random sets",
    "whole pool": "whole pool",
    "self_influence": "self-influence",
}
CURVATURES: Mapping[str, str] = {"hessian": "Hessian", "fisher": "Fisher", "kfac": "K-FAC", "ekfac": "EK-FAC"}
IA = "ia-neurons/"

MARKERS: Mapping[str, str] = {
    "word overlap": "the share of the second text\u2019s words that the first has",
    "subsequence": "whether the second text\u2019s words stand in the first one after another without a gap",
    "negation": "whether the second text has one",
}
DIVERSITY: Mapping[str, str] = {
    "cosine": "mean pairwise cosine",
    "loss": "mean loss",
    "distinct_words": "distinct words",
    "tokens": "mean length in tokens",
}
FAITHFULNESS: Mapping[str, str] = {
    "unchanged": "share of predictions unchanged",
    "drop": "drop of the predicted label\u2019s probability",
}
MODES: Mapping[str, str] = {"suppress": "suppress the top r", "keep": "keep only the top r"}
SITES: Mapping[str, str] = {
    "post": "post (what the FFN\u2019s output projection reads)",
    "pre": "pre (before the FFN\u2019s nonlinearity)",
}
NO_TEXTS = "Texts are not part of these results; instances and queries are shown by their ids."


def method_name(method: str) -> str:
    """A method's name for readers: "influence/hessian" is "influence (Hessian)", "ia-neurons/x" is "IA-Neurons: x"."""
    if method.startswith(IA):
        return f"IA-Neurons: {method_name(method.removeprefix(IA))}"
    if method.startswith("neighbours by "):
        return f"neighbours by {method_name(method.removeprefix('neighbours by '))}"
    if method.startswith("self_influence_"):
        return f"self-influence ({curvature_name(method.removeprefix('self_influence_'))})"
    name, slash, curvature = method.partition("/")
    return NAMES.get(method) or (f"{name} ({curvature_name(curvature)})" if slash else name)


def short_name(method: str) -> str:
    """The name where space is short: "IA-Neurons: x" is "IA: x"."""
    return method_name(method).replace("IA-Neurons: ", "IA: ")


def curvature_name(curvature: str) -> str:
    """A curvature's name."""
    return CURVATURES.get(curvature, curvature)


def marker_name(marker: str) -> str:
    """A marker's short name: column names without underscores."""
    return marker.replace("_", " ")


def part_name(row: Mapping[str, Any]) -> str:
    """What a model of the fine-tuning study was trained on."""
    return f"{row['end']} influential by {method_name(row['method'])}" if row["end"] else method_name(row["method"])
