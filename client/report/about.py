"""What was studied: the run in words, its methods, and everything needed to run it again."""

import json
from collections.abc import Mapping
from typing import Any

from attridex.client.figures.numbers import count, number
from attridex.client.figures.palette import look
from attridex.client.figures.words import SITES, curvature_name, method_name

Result = Mapping[str, Any]
Facts = list[tuple[str, str]]


def facts(run: Result, results: Mapping[str, Result]) -> Facts:
    """The head of the page: names and values."""
    index = run["index"]
    found: Facts = [
        ("Model", f"{index['model']} ({index['layers']} layers, {number(index['units'])} FFN units each)"),
        ("Task", f"{index['task'].replace('-', ' ')}{labels(index.get('labels') or [])}"),
        ("Index", f"version {index['version']}, {count(index['instances'], 'training instance')}"),
        ("Gradients", gradients(index.get("gradients") or {})),
        ("Neurons", neurons(index)),
        ("Queries", queries(run, results)),
        ("Seed", str(run["seed"])),
    ]
    if run.get("limit"):
        found.append(("Limit", f"a taste: at most {count(run['limit'], 'query')}"))
    return [(name, value) for name, value in found if value]


def labels(names: list[str]) -> str:
    """The labels, where there are few."""
    return f": {', '.join(names)}" if 0 < len(names) <= 10 else ""


def gradients(settings: Mapping[str, Any]) -> str:
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


def neurons(index: Mapping[str, Any]) -> str:
    """Where and how neurons are scored."""
    settings = index.get("neurons") or {}
    if not settings or settings.get("enabled") is False:
        return "none in this index"
    site = index.get("site") or settings.get("site", "")
    return f"site {SITES.get(site, site)}; integrated gradients, rule {settings.get('rule')}, {settings.get('steps')} points"


def queries(run: Result, results: Mapping[str, Result]) -> str:
    """How many, and whose loss their gradients are of."""
    asked = [
        results[name]["facts"]["queries"] for name in ("faithfulness", "overlap", "diversity", "agreement") if name in results
    ]
    wanted = run["common"].get("queries")
    size = number(asked[0]) if asked else f"up to {number(wanted)}" if wanted else "all"
    return f"{size}; gradients of the {run['common'].get('label', 'predicted')} label\u2019s loss"


def methods(results: Mapping[str, Result]) -> list[tuple[str, str, str, str]]:
    """Name, colour, sign and scale of every method that a study describes, each once."""
    described = {name: words for result in results.values() for name, words in result.get("methods", {}).items()}
    order = [*(name for name in described if "ia-neurons/" not in name), *(name for name in described if "ia-neurons/" in name)]
    return [(method_name(name), look(name).colour, described[name]["sign"], described[name]["scale"]) for name in order]


def again(run: Result, results: Mapping[str, Result]) -> list[tuple[str, Facts]]:
    """Settings, fingerprints and versions, as tables of name and value."""
    index = run["index"]
    marks = [("model", index.get("model_hash")), ("corpus", index.get("corpus")), ("queries", run.get("queries"))]
    found = [
        ("Fingerprints", [(name, str(value)) for name, value in marks if value]),
        ("Settings shared by all studies", pairs(run["common"])),
    ]
    found += [(f"Settings of {name}", pairs(result["config"])) for name, result in results.items()]
    versions: Mapping[str, Any] = next((result["versions"] for result in results.values() if result.get("versions")), {})
    return [*found, ("Versions", pairs(versions))]


def pairs(content: Mapping[str, Any]) -> Facts:
    """A table of settings as text."""
    return [(key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for key, value in content.items()]
