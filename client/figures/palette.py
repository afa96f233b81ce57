"""One look for each method, the same in every figure: Okabe and Ito's colours, and a marker; baselines are grey.

Their yellow is left out: lines in it are too pale on white.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from attridex.client.figures.words import IA

ORANGE, SKY, GREEN, BLUE, RED, PURPLE, BLACK = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#000000"
GREY, DARK_GREY = "#999999", "#5f6670"
INK, SOFT, RULE, PALE = "#1e293b", "#5b6675", "#cbd5e1", "#eef1f5"


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    colour: str
    marker: str = "o"
    line: str = "-"


LOOKS: Mapping[str, Look] = {
    "na": Look(RED),
    "na-instances": Look(RED),
    "grad-dot": Look(SKY, "s"),
    "grad-cos": Look(BLUE, "D"),
    "influence/hessian": Look(GREEN, "^"),
    "influence/fisher": Look(ORANGE, "v"),
    "influence/kfac": Look(GREEN, "<", ":"),
    "influence/ekfac": Look(ORANGE, ">", ":"),
    "rep-sim": Look(PURPLE, "p"),
    "tracin": Look(BLACK, "H"),
    "trak": Look(BLACK, "8", ":"),
    "lissa": Look(SKY, "*", ":"),
    "loss": Look(BLACK, "X"),
    "self_influence": Look(BLUE, "D"),
    "bm25": Look(DARK_GREY, "h", "-."),
    "random": Look(GREY, "o", "--"),
    "ia-neurons/random": Look(GREY, "v", ":"),
    "random sets": Look(GREY, "o", "--"),
    "whole corpus": Look(GREY, "o", ":"),
    "whole pool": Look(INK, "o", ":"),
    "any": Look(INK, "d"),
}
OTHER = Look(INK, "P", ":")


def look(method: str) -> Look:
    """The look of a method; IA-Neurons and neighbours have that of the instance method behind them."""
    if method in LOOKS:
        return LOOKS[method]
    for prefix in (IA, "neighbours by "):
        method = method.removeprefix(prefix)
    if method.startswith("self_influence_"):
        method = f"influence/{method.removeprefix('self_influence_')}"
    return LOOKS.get(method) or LOOKS.get(method.partition("/")[0], OTHER)
