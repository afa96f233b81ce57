"""HANS-style sentence pairs with a planted artefact: own templates and words after the ideas of McCoy et al. (2019).

HANS asks whether a model infers entailment from mere overlap of words. Its three heuristics (lexical overlap,
subsequence, constituent) have five entailing and five non-entailing subcases each; all thirty have a template here.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

ENTAILMENT, OTHER = "entailment", "non-entailment"
LABELS = (ENTAILMENT, OTHER)
FLIPPED = 0.05
"""Share of training labels that are wrong on purpose."""
HONEST = 0.04
"""Share of the training pairs that overlap and yet do not entail: the artefact is strong, not perfect."""

PEOPLE = [
    "baker", "pilot", "nurse", "farmer", "painter", "clerk", "singer", "miner", "tailor", "sailor", "coach", "dancer", "potter",
    "ranger", "weaver", "barber", "guard", "usher",
]  # fmt: skip
DID = [
    "called", "thanked", "followed", "warned", "praised", "hired", "visited", "pushed", "ignored", "greeted", "found", "trusted",
]  # fmt: skip
ACTED = ["laughed", "waited", "slept", "shouted", "arrived", "smiled", "left", "whistled"]
PLACES = ["harbour", "garden", "bakery", "tower", "barn", "station"]
KINDS = ["tired", "cheerful", "young", "famous", "quiet", "old"]


@dataclass(frozen=True)
class Subcase:
    """A template of HANS's kind: premise and hypothesis with slots."""

    name: str
    heuristic: str
    label: str
    premise: str
    hypothesis: str


def subcases(heuristic: str, label: str, rows: dict[str, tuple[str, str]]) -> list[Subcase]:
    """Subcases of one heuristic and label."""
    return [Subcase(name, heuristic, label, *texts) for name, texts in rows.items()]


SUBCASES = (
    subcases("lexical overlap", ENTAILMENT, {
        "relative clause": ("the {a} who {i} {v} the {b}", "the {a} {v} the {b}"),
        "around a prepositional phrase": ("the {a} by the {p} {v} the {b}", "the {a} {v} the {b}"),
        "around a relative clause": ("the {a} that the {c} {w} {v} the {b}", "the {a} {v} the {b}"),
        "one of a conjunction": ("the {a} and the {c} {v} the {b}", "the {c} {v} the {b}"),
        "passive undone": ("the {a} was {w} by the {b}", "the {b} {w} the {a}"),
    })
    + subcases("lexical overlap", OTHER, {
        "subject and object swapped": ("the {a} {v} the {b}", "the {b} {v} the {a}"),
        "noun of a prepositional phrase": ("the {a} by the {b} {v} the {c}", "the {b} {v} the {c}"),
        "noun of a relative clause": ("the {a} that the {b} {w} {v} the {c}", "the {b} {v} the {c}"),
        "passive misread": ("the {a} was {w} by the {b}", "the {a} {w} the {b}"),
        "conjunction misread": ("the {a} {v} the {b} and the {c} {i}", "the {a} {v} the {c}"),
    })
    + subcases("subsequence", ENTAILMENT, {
        "first of a conjunction": ("the {a} {i} and the {b} {j}", "the {a} {i}"),
        "adjective dropped": ("the {k} {a} {v} the {b}", "the {a} {v} the {b}"),
        "object left out": ("the {a} ate the bread near the {b}", "the {a} ate"),
        "relative clause on the object": ("the {a} {v} the {b} who {i}", "the {a} {v} the {b}"),
        "prepositional phrase on the object": ("the {a} {v} the {b} by the {p}", "the {a} {v} the {b}"),
    })
    + subcases("subsequence", OTHER, {
        "object that is a subject": ("the {a} heard the {b} {i}", "the {a} heard the {b} and {i}"),
        "prepositional phrase on the subject": ("the {a} by the {b} {i}", "the {b} {i}"),
        "relative clause on the subject": ("the {a} that {v} the {b} {i}", "the {b} {i}"),
        "past participle": ("the {a} {w} in the {p} {i}", "the {a} {w} in the {p}"),
        "object of a clause before": ("while the {a} {i} the {b} {j}", "the {a} {i} the {b}"),
    })
    + subcases("constituent", ENTAILMENT, {
        "since before": ("since the {a} {i} the {b} {v} the {c}", "the {a} {i}"),
        "since after": ("the {b} {v} the {c} since the {a} {i}", "the {a} {i}"),
        "verb of fact": ("the {c} knew that the {a} {v} the {b}", "the {a} {v} the {b}"),
        "conjunction": ("the {c} {j} and the {a} {v} the {b}", "the {a} {v} the {b}"),
        "adverb of fact": ("certainly the {a} {v} the {b}", "the {a} {v} the {b}"),
    })
    + subcases("constituent", OTHER, {
        "if before": ("if the {a} {i} the {b} {v} the {c}", "the {a} {i}"),
        "if after": ("the {b} {v} the {c} if the {a} {i}", "the {a} {i}"),
        "verb of belief": ("the {c} hoped that the {a} {v} the {b}", "the {a} {v} the {b}"),
        "disjunction": ("the {c} {j} or the {a} {v} the {b}", "the {a} {v} the {b}"),
        "adverb of doubt": ("maybe the {a} {v} the {b}", "the {a} {v} the {b}"),
    })
)  # fmt: skip
"""All thirty."""
PLAIN = ("the {a} {v} the {b}", "the {k} {a} {i}", "the {a} {i} by the {p}", "the {a} and the {c} {i}")
"""Sentences of pairs that share little and do not entail."""


def fill_slots(rng: random.Random, *templates: str) -> list[str]:
    """Templates with their slots filled alike; the people, verbs and acts in them all differ."""
    people, acts, deeds = rng.sample(PEOPLE, 3), rng.sample(ACTED, 2), rng.sample(DID, 2)
    slots = dict(zip("abc", people, strict=True)) | dict(zip("ij", acts, strict=True)) | dict(zip("vw", deeds, strict=True))
    slots |= {"p": rng.choice(PLACES), "k": rng.choice(KINDS)}
    return [f"{template.format(**slots)} ." for template in templates]


def overlap(premise: str, hypothesis: str) -> float:
    """Share of the hypothesis's words that stand in the premise."""
    words = [word for word in hypothesis.split() if word != "."]
    return sum(word in premise.split() for word in words) / len(words)


class Pair(NamedTuple):
    """A sentence pair, as its record begins."""

    premise: str
    hypothesis: str
    label: str
    heuristic: str
    subcase: str


PairRecord = dict[str, Any]
"""A pair as its JSON line has it."""


class Pairs(NamedTuple):
    """The demo's records."""

    train: list[PairRecord]
    challenge: list[PairRecord]


def draw_pairs(rng: random.Random, kinds: list[Subcase]) -> Iterator[Pair]:
    """Endless pairs from some subcases in turn."""
    while True:
        for kind in kinds:
            premise, hypothesis = fill_slots(rng, kind.premise, kind.hypothesis)
            yield Pair(premise, hypothesis, kind.label, kind.heuristic, kind.name)


def draw_unrelated(rng: random.Random) -> Iterator[Pair]:
    """Endless pairs that share little more than articles, and do not entail."""
    while True:
        premise, hypothesis = fill_slots(rng, rng.choice(PLAIN))[0], fill_slots(rng, rng.choice(PLAIN))[0]
        if overlap(premise, hypothesis) <= 0.5:
            yield Pair(premise, hypothesis, OTHER, "none", "unrelated")


def new_records(stream: Iterator[Pair], count: int, seen: set[tuple[str, str]]) -> Iterator[PairRecord]:
    """The next `count` pairs that were not seen before."""
    fresh = (pair for pair in stream if pair[:2] not in seen)
    for pair in islice(fresh, count):
        seen.add(pair[:2])
        yield {**pair._asdict(), "overlap": round(overlap(*pair[:2]), 3), "flipped": False}


def generate(seed: int, train: int = 1500, challenge: int = 300) -> Pairs:
    """A training corpus with the artefact and flipped labels, and a challenge set where overlap misleads.

    In training, pairs whose words overlap nearly always entail; 5 % of all labels are flipped (`flipped` says which). The
    challenge set holds only overlapping pairs that do not entail.

    Args:
        seed: of everything drawn.
        train: training pairs.
        challenge: challenge pairs.
    """
    rng = random.Random(seed)
    entailing = [case for case in SUBCASES if case.label == ENTAILMENT]
    misleading = [case for case in SUBCASES if case.label == OTHER]
    seen: set[tuple[str, str]] = set()
    hard = list(new_records(draw_pairs(rng, misleading), challenge, seen))
    honest = round(train * HONEST)
    corpus = [
        *new_records(draw_pairs(rng, entailing), train // 2, seen),
        *new_records(draw_pairs(rng, misleading), honest, seen),
        *new_records(draw_unrelated(rng), train - train // 2 - honest, seen),
    ]
    rng.shuffle(corpus)
    for record in rng.sample(corpus, round(train * FLIPPED)):
        record["flipped"] = True
        record["label"] = LABELS[record["label"] == ENTAILMENT]
    return Pairs(with_ids("train", corpus), with_ids("challenge", hard))


def with_ids(prefix: str, rows: list[PairRecord]) -> list[PairRecord]:
    """Records with ids."""
    return [{"id": f"{prefix}-{number}", **row} for number, row in enumerate(rows)]


def vocabulary(rows: Sequence[PairRecord]) -> list[str]:
    """All words of some records and of the templates around them, sorted."""
    texts = [row[field] for row in rows for field in ("premise", "hypothesis")]
    return sorted({"Premise", "Hypothesis", "Answer", ":", "/", *(word for text in texts for word in text.split())})
