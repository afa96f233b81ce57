"""One look for each method, the same in every figure: Okabe and Ito's colours, and a marker; baselines are grey.

Looks are given in the order that the server tells its methods in. Their yellow is left out: lines in it are too pale on white.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from attridex.client.workbench.methods import CURVATURES, NA, NA_INSTANCES, UNDESCRIBED, Kind, StudyMethod
from attridex.v1.answers import Method

ORANGE, SKY, GREEN, BLUE, RED, PURPLE, BLACK = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#000000"
GREY, DARK_GREY = "#999999", "#5f6670"
INK, SOFT, RULE, PALE = "#1e293b", "#5b6675", "#cbd5e1", "#eef1f5"


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    colour: str
    marker: str = "o"
    line: str = "-"


LOOKS = (
    Look(SKY, "s"), Look(BLUE, "D"), Look(GREEN, "^"), Look(ORANGE, "v"), Look(GREEN, "<", ":"), Look(ORANGE, ">", ":"),
    Look(BLACK, "H"), Look(BLACK, "8", ":"), Look(PURPLE, "p"), Look(SKY, "*", ":"), Look(PURPLE, "X", ":"), Look(BLUE, "d", ":"),
)  # fmt: skip
REFERENCE = Look(GREY, "o", "--")
"""What is drawn at random, to compare with."""
BASELINES = (Look(DARK_GREY, "h", "-."), REFERENCE, Look(SOFT, "d", "-."))
NEURONS, BESIDE_REFERENCE, OTHER = Look(RED), Look(GREY, "v", ":"), Look(INK, "P", ":")


@dataclass(frozen=True)
class Palette:
    """Looks by the short names of methods, as results hold them."""

    looks: Mapping[str, Look]

    @classmethod
    def of(cls, methods: Sequence[Method]) -> "Palette":
        """Looks of described methods; of those that are known without a description where there are none."""
        known = methods or UNDESCRIBED
        own = sorted((each for each in known if not each.baseline), key=lambda each: not each.compared)
        names = [name for each in own for name in drawn_names(each)]
        greys = [each.name for each in known if each.baseline]
        return cls(
            {NA.name: NEURONS, NA_INSTANCES.name: NEURONS}
            | dict(zip(names, cycle(LOOKS), strict=False))
            | dict(zip(greys, cycle(BASELINES), strict=False))
        )

    def adding(self, looks: Mapping[str, Look]) -> "Palette":
        """With the looks of what one study draws besides."""
        return Palette({**self.looks, **looks})

    def look(self, name: str) -> Look:
        """The look of a method; one that is used for something else has the look of the method by itself."""
        if name in self.looks:
            return self.looks[name]
        method = StudyMethod.parse(name)
        own = self.looks.get(method.plain) or self.looks.get(method.method, OTHER)
        return BESIDE_REFERENCE if own == REFERENCE and method.kind is Kind.IA_NEURONS else own


def drawn_names(method: Method) -> Iterator[str]:
    """Names that have a look of their own: one for each curvature of a method that is compared."""
    if method.compared and method.has("curvature"):
        yield from (StudyMethod(method.name, curvature).name for curvature in CURVATURES)
    else:
        yield method.name
