"""Diversity of the most influential tenth: how alike, how hard, how varied in words and how long its instances are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from attridex.client.figures.numbers import number
from attridex.client.figures.palette import Palette
from attridex.client.figures.tables import Axis, distinct, pick, pivot
from attridex.client.studies.base import METHOD, Contents, Study
from attridex.client.workbench.context import Context
from attridex.client.workbench.ranking import Rows, order, rank_sums
from attridex.client.workbench.results import Findings, StudyResult
from attridex.client.workbench.statistics import Float64, Interval, Row, bounds, centred_bounds, present
from attridex.v1.answers import Instance

MEASURES = {
    "cosine": "mean pairwise cosine",
    "loss": "mean loss",
    "distinct_words": "distinct words",
    "tokens": "mean length in tokens",
}
"""What is measured, in words."""
RANDOM_SETS = "random sets"
BOOTSTRAP = 200
PAGE = 500


@dataclass(frozen=True)
class DiversitySettings:
    """Settings."""

    share: Annotated[float, "of all training instances, how many count as the most influential"] = 0.1
    draws: Annotated[int, "random sets of the same size"] = 20


@dataclass(frozen=True)
class Described:
    """Training instances as the measures see them.

    Attributes:
        states: unit vectors of the states that the head reads [n, h].
        losses: of the model [n].
        tokens: lengths [n].
        words: numbers of the distinct words of each text.
        vocabulary: how many distinct words there are in all.
    """

    states: NDArray[np.float32]
    losses: Float64
    tokens: Float64
    words: tuple[NDArray[np.int64], ...]
    vocabulary: int

    def measure(self, chosen: Rows) -> dict[str, float]:
        """All measures of a set of instances, named by position."""
        seen = np.zeros(self.vocabulary, bool)
        for at in chosen:
            seen[self.words[at]] = True
        return {
            "cosine": mean_cosine(self.states[chosen]),
            "loss": float(self.losses[chosen].mean()),
            "distinct_words": float(seen.sum()),
            "tokens": float(self.tokens[chosen].mean()),
        }


def run_diversity(context: Context, config: DiversitySettings) -> Findings:
    """The top share by every method beside random sets of the same size."""
    texts = list(context.index.manifest["corpus"]["text_fields"])
    instances = tuple(context.client.list_instances(fields=[*texts, "loss", "tokens"]))
    described = described_instances(context, instances, texts)
    size = max(2, round(config.share * len(instances)))
    table: list[Row] = []
    top: list[Row] = []
    rows = np.array([instance.row for instance in instances], np.int64)
    for method in context.methods:
        ranks = rank_sums(context, method, rows)
        table += measured_top(described, ranks, size, context.seed, method.name)
        top += [{"method": method.name, "rank": at, "id": instances[i].id} for at, i in enumerate(order(ranks)[:size], 1)]
    table += random_sets(described, size, config.draws, context.seed)
    return Findings(
        tables={"diversity": table}, rows={"top": top},
        facts={"instances": len(instances), "size": size, "queries": len(context.queries)},
        notes=[
            "intervals are bootstraps over queries, moved to the figure: fewer different queries draw a resample to random sets",
            "words are runs of letters and digits, in lower case, over all text fields of an instance",
        ],
    )  # fmt: skip


def described_instances(context: Context, instances: Sequence[Instance], texts: Sequence[str]) -> Described:
    """Gather what the measures need, states a page at a time; words are those of the fields `texts`."""
    numbers: dict[str, int] = {}
    words = tuple(
        np.array(sorted({numbers.setdefault(word, len(numbers)) for word in words_of(each.fields, texts)}), np.int64)
        for each in instances
    )
    states = []
    with context.progress("diversity: states", len(instances), "instances") as advance:
        for start in range(0, len(instances), PAGE):
            ids = [each.id for each in instances[start : start + PAGE]]
            page = context.client.get_instances(ids, fields=["id"], with_hidden=True)
            states.append(np.stack([unit_state(each.hidden) for each in page]))
            advance(len(ids))
    # What is missing is NaN.
    losses, tokens = (np.array([each.fields[name] for each in instances], np.float64) for name in ("loss", "tokens"))
    return Described(np.concatenate(states), losses, tokens, words, len(numbers))


def unit_state(state: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """A state scaled to length 1."""
    found = np.zeros(1, np.float32) if state is None else state
    return found / max(float(np.linalg.norm(found)), 1e-12)


def words_of(fields: Mapping[str, Any], texts: Sequence[str]) -> set[str]:
    """Distinct words of an instance."""
    return {word for name in texts for word in re.findall(r"\w+", str(fields.get(name, "")).lower())}


def mean_cosine(states: NDArray[Any]) -> float:
    """Mean cosine over all pairs of different rows, which are unit vectors [n, h]."""
    n = len(states)
    total = states.sum(0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1))) if n > 1 else float("nan")


def measured_top(described: Described, ranks: Float64, size: int, seed: int, method: str) -> list[Row]:
    """All measures of a method's top, with intervals over resampled queries.

    A resample has fewer different queries, and sums of fewer ranks tell instances apart less well, so the measures of its top lie
    nearer to those of random sets; the intervals are moved back to the figures.

    Args:
        described: all instances.
        ranks: of each instance for each query [q, n].
        size: instances of the top.
        seed: of the resampling.
        method: short name, for the rows.
    """
    rng, count = np.random.default_rng(seed), len(ranks)

    def of(queries: Rows) -> dict[str, float]:
        return described.measure(np.sort(order(ranks, queries)[:size]))

    found, drawn = of(np.arange(count)), [of(rng.integers(0, count, count)) for _ in range(BOOTSTRAP)]
    table: list[Row] = []
    for name in MEASURES:
        ends = centred_bounds(present([each[name] for each in drawn]), found[name], 1.0 if name == "cosine" else np.inf)
        table.append({"method": method, "measure": name, **Interval(found[name], *ends, count).columns()})
    return table


def random_sets(described: Described, size: int, draws: int, seed: int) -> list[Row]:
    """The measures of random sets; low and high are percentiles of the sets themselves.

    Args:
        described: all instances.
        size: instances of a set.
        draws: sets.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    drawn = [described.measure(rng.permutation(len(described.losses))[:size]) for _ in range(draws)]
    table: list[Row] = []
    for name in MEASURES:
        values = present([each[name] for each in drawn])
        mean = float(values.mean()) if len(values) else float("nan")
        table.append({"method": RANDOM_SETS, "measure": name, **Interval(mean, *bounds(values), draws).columns()})
    return table


def diversity_section(result: StudyResult, palette: Palette) -> Contents:
    """Four measures of the most influential, bars beside the band that random sets fall into."""
    from attridex.client.figures.bars import Panel, bar_panels
    from attridex.client.figures.drawing import picture

    rows, share = result.rows("diversity"), number(100 * result.config["share"])
    panels = [
        Panel(
            [row for row in pick(rows, measure=measure) if row["method"] != RANDOM_SETS], MEASURES.get(measure, measure),
            references=pick(rows, measure=measure, method=RANDOM_SETS),
        )
        for measure in distinct(rows, "measure")
    ]  # fmt: skip
    drawn = picture(
        "diversity", bar_panels(panels, palette),
        "Bars of four measures of each method\u2019s most influential instances, beside random sets.",
        f"The most influential {share} % of the training instances by each method. Grey band and dotted line: random sets of the "
        "same size (95 % of them, and their mean). Lines are 95 % bootstrap intervals over queries.",
    )  # fmt: skip
    across = Axis("measure", "measure", lambda measure: MEASURES.get(measure, measure))
    return Contents([drawn], [pivot(rows, METHOD, across, f"The most influential {share} %; n is queries, or random sets")])


STUDY = Study(
    name="diversity",
    title="Diversity of the most influential instances",
    measured="All training instances are ranked by the sum of their ranks over the queries; the top share of each method "
    "is described and set beside random sets of the same size. A high mean cosine says that the instances look "
    "alike to the model, a low loss that it finds them easy.",
    published="neuron attribution finds more diverse instances.",
    settings=DiversitySettings,
    run=run_diversity,
    section=diversity_section,
    facts={"size": lambda n: f"{number(n)} in each set"},
    order=30,
    every_query=True,
)
