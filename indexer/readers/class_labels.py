"""ClassLabel columns of `datasets`: numbers that stand for names, which the features beside the data tell.

Features are in the form that `datasets` writes into the schema of Parquet, and that `Features.to_dict` gives.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from attridex.indexer.task_kinds import LANGUAGE_TASKS

Features = Mapping[str, Any]
"""What each column holds, by its name."""
SCHEMA_KEY = b"huggingface"
UNLABELLED = -1
"""Stands for no label."""
ByName = Callable[[str], bool]
"""Whether a column's classes are read as their names, not as the numbers that stand in its rows."""


def all_names(_column: str) -> bool:
    """Every column's classes by name."""
    return True


def classes_by_name(corpus: Mapping[str, Any], task: str) -> ByName:
    """Which columns' classes are read as names: those that training reads as numbers are not, for numbers they were there.

    A Trainer's own rows have numbers alone, a text shows the number that stands in the row, and a regression learns it. By the
    rules of number 1 all are numbers.

    Args:
        corpus: the section of the configuration.
        task: of the model.
    """
    if corpus.get("encoded") or corpus.get("rendering", 1) == 1:
        return lambda _column: False
    numbers = shown_columns(corpus)
    if task == "regression":
        numbers |= {corpus["label"]}
    elif task not in LANGUAGE_TASKS:
        numbers -= {corpus["label"]}
    return lambda column: column not in numbers


def shown_columns(corpus: Mapping[str, Any]) -> set[str]:
    """Columns whose values a template of a corpus's section shows."""
    pair = [part if "{" in part else f"{{{part}}}" for part in corpus.get("pair") or ()]
    templates = (*(corpus.get("segments") or ()), corpus.get("text") or "", *pair, corpus.get("target") or "")
    return {name for template in templates for _, name, _, _ in Formatter().parse(template) if name}


def chosen_features(features: Features, by_name: ByName) -> Features:
    """Those of some features whose classes are read as names."""
    return {name: feature for name, feature in features.items() if by_name(name)}


def parquet_features(metadata: Mapping[bytes, bytes] | None) -> Features:
    """The features that the metadata of a Parquet schema tell; none where `datasets` did not write it."""
    try:
        found = json.loads((metadata or {})[SCHEMA_KEY])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return class_features(found) if isinstance(found, Mapping) else {}


def class_features(features: Features) -> Features:
    """Those of some features that hold a ClassLabel."""
    return {name: feature for name, feature in features.items() if holds_classes(feature)}


def holds_classes(feature: Any) -> bool:
    """Whether a ClassLabel stands somewhere in a feature."""
    if isinstance(feature, Mapping):
        return feature.get("_type") == "ClassLabel" or any(map(holds_classes, feature.values()))
    return isinstance(feature, list) and any(map(holds_classes, feature))


def class_names(feature: Any) -> list[str]:
    """Names of a ClassLabel, in the order of their numbers; none of another feature."""
    names = feature.get("names") if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" else None
    return list(map(str, names)) if isinstance(names, list) else []


def label_classes(feature: Any) -> list[str]:
    """Names of a ClassLabel, or of the one that a list holds for each of its places; none of another feature."""
    inner = (
        feature.get("feature") if isinstance(feature, Mapping) else feature[0] if isinstance(feature, list) and feature else None
    )
    return class_names(feature) if inner is None else label_classes(inner)


def named_columns(values: Mapping[str, Any], features: Features) -> Mapping[str, Any]:
    """A record with its classes by name."""
    if not features:
        return values
    return {name: named(value, features[name]) if name in features else value for name, value in values.items()}


def named(value: Any, feature: Any) -> Any:
    """A value with its classes by name; -1, which stands for no label, is None, and other numbers without a name stay."""
    if names := class_names(feature):
        if isinstance(value, int) and value == UNLABELLED:
            return None
        return names[value] if isinstance(value, int) and value in range(len(names)) else value
    if isinstance(feature, list) and feature:
        return named(value, {"feature": feature[0]})
    if not isinstance(feature, Mapping):
        return value
    inner = feature.get("feature")
    if inner is not None and isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [named(each, inner) for each in value]
    if isinstance(value, Mapping):
        return {key: named(own, inner_feature(feature, inner, key)) for key, own in value.items()}
    return value


def inner_feature(feature: Features, inner: Any, key: str) -> Any:
    """The feature of a structure's key; older `datasets` keep a list of structures as a structure of lists."""
    if inner is None:
        return feature.get(key)
    return {"feature": inner.get(key)} if isinstance(inner, Mapping) else None
