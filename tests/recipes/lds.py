"""Linear datamodelling score (LDS): how well a method's scores foretell, by rank, what training on parts of the data does.

For each query, the LDS is the Spearman correlation over random halves S of the instances between -loss(query) of the model
trained on S and the sum over S of the method's scores at the model trained on everything (Park et al. 2023, arXiv 2303.14186).
Means over queries and training seeds stand with bootstrap 95 % intervals for which seeds, halves and queries are all drawn again:
all queries share the halves. Differences between methods are of the same draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import rankdata

from attridex.client import Client
from tests.recipes.records import Record

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Options = Mapping[str, Any]
REFERENCE = "grad-dot"
DRAWS = 1000
"""Of the bootstrap."""


def drawn_halves(count: int, halves: int) -> list[Int64]:
    """Random halves of the instances."""
    chance = np.random.default_rng(1)
    return [np.sort(chance.permutation(count)[: count // 2]) for _ in range(halves)]


def scores(index: Path, asked: Sequence[Record], ids: Sequence[str], methods: Mapping[str, Options]) -> dict[str, Float64]:
    """Scores of each method [queries, instances]."""
    place = {identity: at for at, identity in enumerate(ids)}
    found = {}
    with Client.local(index) as client:
        for name, options in methods.items():
            table = np.zeros((len(asked), len(ids)))
            for number, result in enumerate(client.attribute_instances(list(asked), k=len(ids), **options).results):
                for hit in result.hits:
                    table[number, place[hit.id]] = hit.score
            found[name] = table
    return found


def summed(table: Float64, halves: Sequence[Int64]) -> Float64:
    """Of each half: [queries, instances] -> [halves, queries]."""
    return np.stack([table[:, half].sum(1) for half in halves])


def compared(sums: Mapping[str, Float64], actual: Float64) -> dict[str, Any]:
    """LDS of each method, and how far it is above grad-dot's.

    Args:
        sums: of each method's scores over each half [seeds, halves, queries].
        actual: -loss after training on it, of the same shape.
    """
    chance = np.random.default_rng(2)
    draws = {name: np.zeros(DRAWS) for name in sums}
    for number in range(DRAWS):
        drawn = np.ix_(*(chance.integers(size, size=size) for size in actual.shape))
        for name, values in sums.items():
            draws[name][number] = score(values[drawn], actual[drawn])
    found = {name: score(values, actual) for name, values in sums.items()}
    others = [name for name in sums if name != REFERENCE]
    return {
        "lds": {name: interval(found[name], draws[name]) for name in sums},
        "above_grad_dot": {name: interval(found[name] - found[REFERENCE], draws[name] - draws[REFERENCE]) for name in others},
        "by_seed": {
            name: [round(score(values[[at]], actual[[at]]), 4) for at in range(len(actual))] for name, values in sums.items()
        },
    }


def score(predicted: Float64, actual: Float64) -> float:
    """Mean over seeds and queries of Spearman's rho over the halves; both [seeds, halves, queries], 0 where one is constant."""
    left, right = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (predicted, actual))
    size = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    return float(np.mean((left * right).sum(1) / np.where(size, size, np.inf)))


def interval(found: float, drawn: Float64) -> dict[str, float]:
    """A figure with its bootstrap 95 % interval."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": round(found, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def counted(halves: Sequence[Int64], label: str) -> Iterator[Int64]:
    """The halves, counted on stderr."""
    for number, half in enumerate(halves, 1):
        yield half
        typer.echo(f"{label}: trained on {number} of {len(halves)} halves", err=True)
