"""Whether a study's model has learned its task: results of one that has not are labelled wherever they are shown."""

from collections.abc import Mapping
from typing import Any

from attridex.client.workbench.results import StudyResult
from attridex.indexer.fit import Fit

FIT, MAJORITY = "fit", "majority"
"""Facts of a result: the check of fit of its model, and the accuracy of always the most frequent label."""
RETRAINED: Mapping[str, str] = {
    "accuracy_of_halves": "the models retrained on halves do",
    "accuracy_of_pool": "the model retrained on the whole pool does",
}
"""Facts that are accuracies of retrained models, and whose."""


def fit_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The check of fit of an index, as a fact of a result; nothing where the index does not tell it."""
    return {FIT: dict(manifest["fit"])} if manifest.get("fit") else {}


def told_fit(fit: Mapping[str, Any]) -> str:
    """The fact in words."""
    return Fit(**fit).words.removeprefix("fit: ")


def unlearned(result: StudyResult) -> str:
    """What is wrong with the models of a result, in a few words for its label; empty where nothing is."""
    facts = result.facts
    fit = Fit(**facts[FIT]) if facts.get(FIT) else None
    if fit and not fit.better:
        return f"the model does no better than {fit.rival}"
    for name, models in RETRAINED.items():
        if facts.get(name) is not None and facts.get(MAJORITY) is not None and facts[name] <= facts[MAJORITY]:
            return f"{models} no better than always the most frequent label"
    return ""
