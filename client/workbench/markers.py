"""Surface markers of a pair of texts, such as the heuristics that HANS was made to expose. Pure functions of strings."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

NEGATIONS = frozenset({
    "no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "cannot", "without", "n't", "dont",
    "doesnt", "didnt", "isnt", "arent", "wasnt", "werent", "wont", "cant", "couldnt", "shouldnt", "wouldnt", "hasnt",
    "havent", "hadnt",
})  # fmt: skip


def words(text: str) -> list[str]:
    """Words in lower case; "don't" is one word."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower().replace("\u2019", "'"))


def overlap(first: str, second: str) -> float:
    """Share of the second text's words that stand in the first."""
    known, asked = set(words(first)), words(second)
    return sum(word in known for word in asked) / len(asked) if asked else 0.0


def subsequence(first: str, second: str) -> float:
    """1 if the second text's words stand in the first one after another without a gap, else 0."""
    whole, asked = f" {' '.join(words(first))} ", f" {' '.join(words(second))} "
    return float(bool(asked.strip()) and asked in whole)


def negation(_first: str, second: str) -> float:
    """1 if the second text has a negation, else 0."""
    return float(any(word.replace("'", "") in NEGATIONS or word.endswith("n't") for word in words(second)))


class Marker(NamedTuple):
    """A marker of a pair of texts, and what it means."""

    measure: Callable[[str, str], float]
    meaning: str


MARKERS: Mapping[str, Marker] = {
    "word overlap": Marker(overlap, "the share of the second text\u2019s words that the first has"),
    "subsequence": Marker(subsequence, "whether the second text\u2019s words stand in the first one after another without a gap"),
    "negation": Marker(negation, "whether the second text has one"),
}


def decode(value: Any) -> Any:
    """A field of the index; a list was stored as JSON text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def text_of(fields: Mapping[str, Any], name: str, label: Any) -> str:
    """A text field; of a list (the choices of a record) the one that the label names."""
    value = fields.get(name, "")
    if isinstance(value, list):
        return str(value[int(label)]) if label is not None and 0 <= int(label) < len(value) else " ".join(map(str, value))
    return str(value)
