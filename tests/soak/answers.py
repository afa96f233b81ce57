"""Answers of two indices of the same rows, compared."""

from typing import Any

from attridex.client import Client

METHODS = ("grad-dot", "grad-cos", "rep-sim", "influence", "trak", "bm25")
NEAR = 1e-5
"""Of a score's scale: the same row may have been signed in a batch of other lengths, in float32."""
INVERTED = ("influence", "trak")
"""Methods whose inverse of few rows makes that rounding up to ten times larger."""
OF_ONE = ("grad-cos", "rep-sim", "dcns")
"""Methods whose scores are sums of terms of order one, that may cancel: their scale is one, not the sum."""
Scores = dict[str, dict[str, float]]
"""By "METHOD QUERY", then by instance."""


def scores(client: Client, queries: list[dict[str, Any]]) -> tuple[Scores, set[str]]:
    """Scores of all live rows; and which methods are told to be stale."""
    k, found, stale = client.get_index().instances, Scores(), set[str]()
    for name in (*METHODS, "dcns"):
        if name == "dcns":
            answer = client.find_instances_by_neurons(queries, k=k)
        else:
            answer = client.attribute_instances(queries, k=k, method=name)
        stale |= {name} if answer.info.stale else set()
        for result in answer.results:
            found[f"{name} {result.query_id}"] = {hit.id: hit.score for hit in result.hits}
    return found, stale


def difference(found: Scores, right: Scores, name: str) -> str | None:
    """How scores of one name differ by more than rounding; None where they do not."""
    of, to = found[name], right[name]
    if of.keys() != to.keys():
        return f"{name}: of other rows, {sorted(of.keys() ^ to.keys())}"
    scale = 1.0 if name.startswith(OF_ONE) else max(map(abs, to.values()), default=0.0)
    if name.startswith("grad-dot"):
        scale = lengths(to, right[name.replace("dot", "cos")])
    near = 10 * NEAR if name.startswith(INVERTED) else NEAR
    furthest = max((abs(of[row] - to[row]) for row in to), default=0.0)
    return f"{name}: {furthest} of {scale}, {of} and not {to}" if furthest > near * scale else None


def lengths(dots: dict[str, float], cosines: dict[str, float]) -> float:
    """Largest product of the lengths of two gradients, of their dot products and cosines."""
    return max((abs(dots[row] / cosines[row]) for row in dots if cosines[row]), default=0.0)
