"""How a path is measured: beside its floor, in turn, in one run. Absolute seconds say more of the machine than of the code."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """One measured path.

    Attributes:
        name: of the path.
        floor: what the path is measured against, in words.
        unit: "x floor", "x faster" or "ms".
        target: what the median should keep to.
        most: whether the target is the most that may be (else the least).
        median: over the repeats.
        least: the smallest of the repeats.
        greatest: the greatest of them.
        seconds: median time of the path.
        floor_seconds: median time of the floor; 0 where there is none.
    """

    name: str
    floor: str
    unit: str
    target: float
    most: bool
    median: float
    least: float
    greatest: float
    seconds: float
    floor_seconds: float

    @property
    def meets(self) -> bool:
        """Whether the median keeps to the target."""
        return self.median <= self.target if self.most else self.median >= self.target

    def row(self) -> Mapping[str, object]:
        """As a JSON object."""
        values = {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return {**values, "meets": self.meets}


def seconds(work: Work) -> float:
    """Time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def paired(own: Work, floor: Work, repeats: int) -> list[tuple[float, float]]:
    """Times of path and floor in turn; the first pair warms up and does not count."""
    return [(seconds(own), seconds(floor)) for _ in range(repeats + 1)][1:]


def against(name: str, own: Work, floor: Work, words: str, *, target: float, repeats: int, scale: float = 1.0) -> Figure:
    """Time of a path over `scale` times its floor's.

    Args:
        name: of the path.
        own: the path.
        floor: what the hardware must do for it.
        words: the floor in words.
        target: the most that the ratio should be.
        repeats: pairs that count.
        scale: floors that the path is held against at once.
    """
    pairs = paired(own, floor, repeats)
    return figure(name, words, "x floor", target, [mine / (least * scale) for mine, least in pairs], pairs)


def faster(name: str, own: Work, slow: Work, words: str, *, target: float, repeats: int, scale: float = 1.0) -> Figure:
    """How many times faster a path is than `scale` times a slow one.

    Args:
        name: of the path.
        own: the path.
        slow: another way to the same.
        words: the other way in words.
        target: the least that the ratio should be.
        repeats: pairs that count.
        scale: slow ones that the path is held against at once.
    """
    pairs = paired(own, slow, repeats)
    return figure(name, words, "x faster", target, [least * scale / mine for mine, least in pairs], pairs)


def milliseconds(name: str, times: list[float], words: str, *, target: float, floor: list[float] | None = None) -> Figure:
    """A latency whose median should be below the target; what is measured with it stands beside.

    Args:
        name: of the path.
        times: of the path, in seconds.
        words: what it is measured against.
        target: in milliseconds.
        floor: seconds of what is measured with it.
    """
    pairs = list(zip(times, floor or [0.0] * len(times), strict=True))
    return figure(name, words, "ms", target, [1e3 * value for value in times], pairs)


def figure(name: str, words: str, unit: str, target: float, found: list[float], pairs: list[tuple[float, float]]) -> Figure:
    """A figure from its repeats.

    Args:
        name: of the path.
        words: what it is measured against.
        unit: of the figure; of "x faster" the target is the least that may be, else the most.
        target: what the median should keep to.
        found: the figure of each repeat.
        pairs: seconds of path and floor in each repeat.
    """
    mine, least = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return Figure(name, words, unit, target, unit != "x faster", statistics.median(found), min(found), max(found), mine, least)
