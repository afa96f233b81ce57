"""The section of the study of evidence: what each query is, what stands behind it, and its neurons."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attridex.client.figures.numbers import number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import distinct, pick
from attridex.client.studies.base import Contents
from attridex.client.workbench.results import StudyResult, read_object
from attridex.client.workbench.statistics import Row

if TYPE_CHECKING:
    from markupsafe import Markup

    from attridex.client.figures.neuron_map import Neuron

Texts = Mapping[str, Mapping[str, Any]]
TEXTS = "texts.json"
"""Texts of queries and instances, apart from the results: data of others that results must not carry."""
LABEL = "label"
NO_TEXTS = "Texts are not part of these results; instances and queries are shown by their ids."


def evidence_section(result: StudyResult, palette: Palette) -> Contents:
    """All queries; the page's own template shows them."""
    path = result.directory / TEXTS if result.directory else None
    texts = read_object(path) if path and path.exists() else {}
    found = shown_answers(result, texts)
    links = [(f"query-{at}-evidence", answer.id) for at, answer in enumerate(found, 1)]
    return Contents(links=links, shown={"answers": found, **({} if texts else {"missing": NO_TEXTS})})


@dataclass(frozen=True)
class Shown:
    """A record as it is shown.

    Attributes:
        label: its label; empty where it has none.
        texts: name and text of each field that tells it from others.
        marks: names of boolean columns that are true of it.
        others: the rest, in one line.
    """

    label: str = ""
    texts: tuple[tuple[str, str], ...] = ()
    marks: tuple[str, ...] = ()
    others: str = ""


@dataclass(frozen=True)
class Hit:
    """A training instance that a method found."""

    id: str
    score: str
    record: Shown


@dataclass(frozen=True)
class Edit:
    """An edit of the top neurons and what the model then says."""

    name: str
    predicted: str
    probability: float
    change: float
    flipped: bool


@dataclass(frozen=True)
class Answer:
    """A query with its evidence.

    Attributes:
        right: whether the prediction is the gold label; None where there is none.
        found: method and its hits, best first.
        map: the neurons as SVG; None where there are none.
    """

    id: str
    record: Shown
    predicted: str
    probability: float
    loss: float | None
    gold: str
    right: bool | None
    found: tuple[tuple[str, tuple[Hit, ...]], ...]
    neurons: tuple["Neuron", ...]
    map: "Markup | None"
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Records:
    """Texts of queries and instances.

    Attributes:
        texts: fields by "query ID" or instance id; may be empty.
        names: fields that are texts, not categories or numbers.
    """

    texts: Texts
    names: tuple[str, ...]

    def of(self, name: str) -> Shown:
        """A record; nothing of it where the texts were not passed on."""
        return shown_record(self.texts.get(name, {}), self.names)


def shown_answers(result: StudyResult, texts: Texts) -> tuple[Answer, ...]:
    """All queries of a result; `texts` may be empty."""
    records = Records(texts, tuple(result.index.text_fields))
    return tuple(shown_answer(page, result, records) for page in result.rows("pages"))


def shown_answer(page: Row, result: StudyResult, records: Records) -> Answer:
    """One query."""
    from attridex.client.figures.neuron_map import Neuron

    name, gold = page["query"], page.get("gold")
    own = tuple(Neuron(row["layer"], row["unit"], row["score"]) for row in pick(result.rows("neurons"), query=name))
    return Answer(
        id=name, record=records.of(f"query {name}"),
        predicted=str(page["predicted"]), probability=page["probability"], loss=page.get("loss"),
        gold="" if gold is None else str(gold), right=None if gold is None else is_right(page, result),
        found=found_by(pick(result.rows("hits"), query=name), records), neurons=own,
        map=drawn_map(own, name, result.facts) if own else None,
        edits=tuple(shown_edit(each, page) for each in page.get("edits", [])),
    )  # fmt: skip


def is_right(page: Row, result: StudyResult) -> bool:
    """Whether the prediction is the gold label, or one of the outputs that it stands for in this run."""
    gold = str(page["gold"])
    return page["predicted"] in result.common.get("same", {}).get(gold, (gold,))


def found_by(hits: Sequence[Row], records: Records) -> tuple[tuple[str, tuple[Hit, ...]], ...]:
    """Methods, each with its hits."""
    return tuple(
        (method, tuple(Hit(hit["id"], number(hit["score"]), records.of(hit["id"])) for hit in pick(hits, method=method)))
        for method in distinct(hits, "method")
    )


def drawn_map(neurons: Sequence["Neuron"], query: str, size: Mapping[str, int]) -> "Markup":
    """The map of a query's neurons."""
    from attridex.client.figures.neuron_map import neuron_map

    label = f"The {len(neurons)} top neurons of query {query} by layer and unit; their scores are listed below"
    return neuron_map(neurons, size["layers"], size["units"], label)


def shown_edit(found: Row, page: Row) -> Edit:
    """An edit beside the unedited answer: "suppress 10" is "top 10 suppressed"."""
    mode, _, size = found["name"].partition(" ")
    neurons = "neuron" if size == "1" else f"{size} neurons"
    name = f"only the top {neurons} kept" if mode == "keep" else f"top {neurons} suppressed"
    changed = found["predicted"] != page["predicted"]
    return Edit(name, str(found["predicted"]), found["probability"], found["probability"] - page["probability"], changed)


def shown_record(record: Mapping[str, Any], names: Sequence[str]) -> Shown:
    """A record as texts, label, marks and the rest."""
    rest = {key: value for key, value in record.items() if key != LABEL and key not in names and value not in (None, "", False)}
    return Shown(
        label=as_text(record.get(LABEL, "")),
        texts=tuple((name, as_text(record[name])) for name in names if name in record),
        marks=tuple(key.replace("_", " ") for key, value in rest.items() if value is True),
        others="; ".join(f"{key.replace('_', ' ')}: {as_text(value)}" for key, value in rest.items() if value is not True),
    )


def as_text(value: Any) -> str:
    """A field as text; the items of a list with their numbers, which are the labels of choices."""
    if isinstance(value, list):
        return " | ".join(f"{at} {as_text(item)}" for at, item in enumerate(value))
    if isinstance(value, float):
        return number(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "" if value is None else str(value)
