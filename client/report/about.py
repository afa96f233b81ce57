"""What was studied: the run in words, its methods, and everything needed to run it again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attridex.client.figures.numbers import count, number
from attridex.client.studies.registry import on_page
from attridex.client.workbench.methods import Kind, StudyMethod, curvature_name
from attridex.client.workbench.results import StudiedIndex, StudyResult

Results = Mapping[str, StudyResult]
Facts = list[tuple[str, str]]
SITES: Mapping[str, str] = {
    "post": "post (what the FFN\u2019s output projection reads)",
    "pre": "pre (before the FFN\u2019s nonlinearity)",
}


class Meant(NamedTuple):
    """A method and what its scores mean."""

    name: str
    sign: str
    scale: str


def run_facts(results: Results) -> Facts:
    """The head of the page: names and values."""
    run = next(iter(results.values()))
    index = run.index
    found: Facts = [
        ("Model", f"{index.model} ({index.layers} layers, {number(index.units)} FFN units each)"),
        ("Task", f"{index.task.replace('-', ' ')}{label_words(index.labels or [])}"),
        ("Index", f"version {index.version}, {count(index.instances, 'training instance')}"),
        ("Gradients", gradient_words(index.gradients or {})),
        ("Neurons", neuron_words(index)),
        ("Queries", query_words(results)),
        ("Seed", str(run.seed)),
    ]
    if run.limit:
        found.append(("Limit", f"a taste: at most {count(run.limit, 'query')}"))
    return [(name, value) for name, value in found if value]


def label_words(names: Sequence[str]) -> str:
    """The labels, where there are few."""
    return f": {', '.join(names)}" if 0 < len(names) <= 10 else ""


def gradient_words(settings: Mapping[str, Any]) -> str:
    """What stands in the index for a gradient."""
    if not settings:
        return ""
    projection = settings.get("projection")
    curvatures = ", ".join(map(curvature_name, settings.get("curvature") or []))
    size = f"projected ({projection}) to {number(settings['dim'])}" if projection and settings.get("dim") else ""
    return "; ".join(part for part in (
        f"of {settings.get('parameters')}", size or "not projected", f"labels: {settings.get('label')}",
        f"curvature: {curvatures}" if curvatures else "",
    ) if part)  # fmt: skip


def neuron_words(index: StudiedIndex) -> str:
    """Where and how neurons are scored."""
    settings = index.neurons or {}
    if not settings or settings.get("enabled") is False:
        return "none in this index"
    site = index.site or settings.get("site", "")
    return f"site {SITES.get(site, site)}; integrated gradients, rule {settings.get('rule')}, {settings.get('steps')} points"


def query_words(results: Results) -> str:
    """How many, and whose loss their gradients are of."""
    common = next(iter(results.values())).common
    asked = [results[study.name].facts["queries"] for study in on_page() if study.every_query and study.name in results]
    wanted = common.get("queries")
    size = number(asked[0]) if asked else f"up to {number(wanted)}" if wanted else "all"
    return f"{size}; gradients of the {common.get('label', 'predicted')} label\u2019s loss"


def described_methods(results: Results) -> list[Meant]:
    """Sign and scale of every method that a study describes, each once; IA-Neurons behind the others."""
    described = {name: words for result in results.values() for name, words in result.methods.items()}
    order = sorted(described, key=lambda name: StudyMethod.parse(name).kind is Kind.IA_NEURONS)
    return [Meant(name, described[name].sign, described[name].scale) for name in order]


def run_again(results: Results) -> list[tuple[str, Facts]]:
    """Settings, fingerprints and versions, as tables of name and value."""
    run = next(iter(results.values()))
    marks = [("model", run.index.model_hash), ("corpus", run.index.corpus), ("queries", run.queries)]
    found = [
        ("Fingerprints", [(name, str(value)) for name, value in marks if value]),
        ("Settings shared by all studies", setting_pairs(run.common)),
    ]
    found += [(f"Settings of {name}", setting_pairs(result.config)) for name, result in results.items()]
    versions: Mapping[str, Any] = next((result.versions for result in results.values() if result.versions), {})
    return [*found, ("Versions", setting_pairs(versions))]


def setting_pairs(content: Mapping[str, Any]) -> Facts:
    """A table of settings as text."""
    return [(key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for key, value in content.items()]
