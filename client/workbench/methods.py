"""The methods that studies compare, each by one short name in files and settings: "influence/hessian", "ia-neurons/grad-dot"."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from attridex.client.errors import UsageError
from attridex.v1.answers import IndexInfo, Method, Setting
from attridex.v1.requests import Scoring

CURVATURES: Mapping[str, str] = {"hessian": "Hessian", "fisher": "Fisher", "kfac": "K-FAC", "ekfac": "EK-FAC"}
"""Curvatures, with their names for readers."""
TITLES: Mapping[str, str] = {"na": "NA", "na-instances": "NA-Instances"}
CURVATURE, SEED = Setting("curvature", "", "text"), Setting("seed", "", "count")
UNDESCRIBED: tuple[Method, ...] = (
    Method("grad-dot", "", "", ""),
    Method("grad-cos", "", "", ""),
    Method("influence", "", "", "", (CURVATURE,)),
    Method("lissa", "", "", "", (CURVATURE,), compared=False),
    Method("tracin", "", "", ""),
    Method("trak", "", "", ""),
    Method("rep-sim", "", "", ""),
    Method("bm25", "", "", "", baseline=True),
    Method("random", "", "", "", (SEED,), baseline=True),
)
"""What is known of the methods of servers, and in results, that are older than descriptions of methods."""


class Kind(Enum):
    """What a method is used for; the value begins its short name."""

    PLAIN = ""
    IA_NEURONS = "ia-neurons/"
    NEIGHBOURS = "neighbours by "
    SELF_INFLUENCE = "self_influence"


@dataclass(frozen=True)
class StudyMethod:
    """A method of a study.

    Attributes:
        method: as the server names it; "na" and "na-instances" for the methods that go by neurons.
        curvature: what it uses; empty where it uses none.
        kind: what it is used for.
    """

    method: str
    curvature: str = ""
    kind: Kind = Kind.PLAIN

    @classmethod
    def parse(cls, text: str) -> "StudyMethod":
        """Read a short name; any text is one."""
        if text == Kind.SELF_INFLUENCE.value or text.startswith(f"{Kind.SELF_INFLUENCE.value}_"):
            return cls("influence", text.removeprefix(Kind.SELF_INFLUENCE.value)[1:], Kind.SELF_INFLUENCE)
        kind = next(kind for kind in (Kind.IA_NEURONS, Kind.NEIGHBOURS, Kind.PLAIN) if text.startswith(kind.value))
        method, _, curvature = text.removeprefix(kind.value).partition("/")
        return cls(method, curvature, kind)

    @property
    def plain(self) -> str:
        """The short name of the method by itself, whatever it is used for."""
        return f"{self.method}/{self.curvature}" if self.curvature else self.method

    @property
    def name(self) -> str:
        """The short name, as in files."""
        if self.kind is Kind.SELF_INFLUENCE:
            return f"{self.kind.value}_{self.curvature}" if self.curvature else self.kind.value
        return f"{self.kind.value}{self.plain}"

    @property
    def path(self) -> str:
        """The short name as a part of a file's name."""
        return self.name.replace("/", "-")

    @property
    def title(self) -> str:
        """The name for readers: "influence (Hessian)", "IA-Neurons: grad-dot"."""
        start = {Kind.IA_NEURONS: "IA-Neurons: ", Kind.NEIGHBOURS: self.kind.value}.get(self.kind, "")
        own = "self-influence" if self.kind is Kind.SELF_INFLUENCE else TITLES.get(self.method, self.method)
        return f"{start}{own}{f' ({curvature_name(self.curvature)})' if self.curvature else ''}"

    def used_for(self, kind: Kind) -> "StudyMethod":
        """The same method for something else."""
        return replace(self, kind=kind)


NA = StudyMethod("na")
"""Neuron attribution of the query."""
NA_INSTANCES = StudyMethod("na-instances")
"""Instances by the neurons that they share with the query (DCNS)."""


def method_name(name: str) -> str:
    """The name for readers of a method in a file."""
    return StudyMethod.parse(name).title


def short_name(name: str) -> str:
    """The name where space is short: "IA-Neurons: x" is "IA: x"."""
    return method_name(name).replace("IA-Neurons: ", "IA: ")


def curvature_name(curvature: str) -> str:
    """A curvature's name for readers."""
    return CURVATURES.get(curvature, curvature)


def described(told: Sequence[Method], name: str) -> Method:
    """What is known of a method: by what a server or a result tells, or by itself."""
    return next((each for each in (*told, *UNDESCRIBED) if each.name == name), Method(name, "", "", ""))


def answered(index: IndexInfo) -> Iterator[tuple[StudyMethod, Method]]:
    """Methods that an index can answer, those with a curvature once for each, and what is known of them."""
    for name in index.methods:
        known = described(index.method_details, name)
        for curvature in index.curvatures if known.has("curvature") else ("",):
            yield StudyMethod(name, curvature), known
    if index.manifest.get("neurons"):
        yield NA_INSTANCES, described(index.method_details, NA_INSTANCES.method)


def chosen(wanted: Sequence[str], index: IndexInfo) -> tuple[StudyMethod, ...]:
    """The methods of a study: those wanted, or all that are compared unasked.

    Raises:
        UsageError: the index cannot answer one of them.
    """
    can = {method.name: known for method, known in answered(index)}
    for name in wanted:
        if name not in can:
            raise UsageError(f"methods: '{name}' is not answered by this index; it answers {', '.join(sorted(can))}")
    names = wanted or [name for name, known in can.items() if known.compared]
    return tuple(StudyMethod.parse(name) for name in dict.fromkeys(names))


def scoring_of(method: StudyMethod, index: IndexInfo, seed: int) -> Scoring:
    """A method as a request has it; one that draws gets the run's seed."""
    draws = described(index.method_details, method.method).has("seed")
    return Scoring(method.method, method.curvature, seed=seed if draws else None)
