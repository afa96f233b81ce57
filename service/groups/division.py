"""Which shards each group holds: groups of about as many rows, in the order of the rows."""

from collections.abc import Sequence
from itertools import accumulate, pairwise


def divided(rows: Sequence[int], groups: int) -> list[range]:
    """The places of each group's shards; groups are empty where there are fewer shards.

    Args:
        rows: of each shard.
        groups: how many.
    """
    ends, shards = [0, *accumulate(rows)], len(rows)
    cuts = [0]
    for number in range(1, groups):
        least, most = min(cuts[-1] + 1, shards), max(shards - (groups - number), 0)
        target = ends[-1] * number / groups
        nearest = min(range(shards + 1), key=lambda cut: abs(ends[cut] - target))
        cuts.append(max(least, min(nearest, most)) if shards >= groups else min(number, shards))
    return [range(start, stop) for start, stop in pairwise([*cuts, shards])]
