"""Results of all studies, made by hand: every number is another."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attridex.client.studies.registry import on_page
from attridex.client.workbench.results import StudyResult, read_result

PAGE = tuple(study.name for study in on_page())
Row = dict[str, Any]
METHODS = ("grad-dot", "random", "na-instances")
NEURON_METHODS = ("na", "ia-neurons/grad-dot")
ABOUT: dict[str, Any] = {
    "seed": 3, "limit": None, "common": {"queries": 4, "methods": [], "label": "predicted", "same": {"no": ["neutral"]}},
    "queries": "fe" * 32, "versions": {"python": "3.11"}, "times": {"seconds": 1.5},
    "methods": {"na": {"sign": "higher = more", "scale": "a share"}}, "notes": ["a note of the study"],
    "index": {
        "version": "7", "instances": 1500, "task": "sequence-classification", "labels": ["yes", "no"], "model": "tiny-opt",
        "model_hash": "ab", "corpus": "cd", "layers": 3, "units": 101, "site": "post", "text_fields": ["premise"],
        "gradients": {"curvature": ["fisher"], "dim": 64, "label": "gold", "parameters": "head", "projection": None},
        "neurons": {"enabled": True, "rule": "riemann", "steps": 20},
    },
}  # fmt: skip
TEXTS: dict[str, Any] = {
    "query q1": {"premise": "<script>alert(1)</script> & a cat", "label": "no", "kind": "x"},
    "t1": {"premise": "a dog \"barks\" at 'it'", "label": "yes", "kind": "x", "flipped": True},
    "t2": {"premise": "a third text", "label": "no", "kind": "x", "flipped": False},
}


def measured() -> Iterator[Row]:
    """Means with intervals, all different."""
    for at in itertools.count():
        mean = round(0.101 + 0.00123 * at, 6)
        yield {"mean": mean, "low": round(mean - 0.0457, 6), "high": round(mean + 0.0331, 6), "n": 4}


def pairs(methods: tuple[str, ...], values: Iterator[Row], kind: Any = itertools.permutations) -> list[Row]:
    return [{"a": a, "b": b, **next(values)} for a, b in kind(methods, 2)]


def made_tables(values: Iterator[Row]) -> dict[str, dict[str, list[Row]]]:
    """Tables of all studies, as the studies make them."""
    edits = [("any", 0), *itertools.product((*NEURON_METHODS, "random"), (1, 10))]
    return {
        "faithfulness": {
            "faithfulness": [
                {"method": m, "mode": mode, "r": r, "measure": what, **next(values), "used": r * 0.871}
                for m, r in edits for mode in ("suppress", "keep") for what in ("unchanged", "drop")
            ]
        },
        "overlap": {
            "unique_instances": [{"method": m, "unique": 17 + at, **next(values)} for at, m in enumerate(METHODS)],
            "shared_instances": pairs(METHODS, values),
            "unique_top_neurons": [{"method": m, "unique": 41 + at, **next(values)} for at, m in enumerate(NEURON_METHODS)],
            "shared_neurons": pairs(NEURON_METHODS, values),
            "layers": [
                {"method": m, "layer": at, "share": 0.13 + 0.01 * at, "n": 51 + at} for m in NEURON_METHODS for at in range(3)
            ],
        },
        "diversity": {
            "diversity": [
                {"method": m, "measure": what, **next(values)}
                for m in (*METHODS, "random sets") for what in ("cosine", "loss", "distinct_words", "tokens")
            ]
        },
        "agreement": {
            "rank_correlation": pairs((*METHODS, "lissa/fisher"), values, itertools.combinations),
            "approximate": [
                {"method": "grad-cos", "structure": "ivf", "measure": what, **next(values)} for what in ("recall", "lost")
            ],
        },
        "artefacts": {
            "artefacts": [
                {"method": m, "marker": marker, **next(values), "n": 1500 if m == "whole corpus" else 4}
                for m in ("whole corpus", *METHODS) for marker in ("word overlap", "own_column")
            ]
        },
        "lds": {"lds": [{"method": m, "measure": what, **next(values)} for m in METHODS for what in ("lds", "above grad-dot")]},
        "mislabel": {
            "flipped": [
                {"method": m, "measure": what, **next(values)}
                for m in ("loss", "self_influence_fisher", "neighbours by na-instances") for what in ("auc", "precision")
            ]
        },
        "finetune-subsets": {
            "accuracy": [
                {"method": m, "end": end, "fraction": share, "measure": what, **next(values)}
                for m, end in (("random", ""), ("grad-dot", "most"), ("grad-dot", "least"))
                for share in (0.1, 0.5) for what in ("accuracy", "above random")
            ] + [{"method": "whole pool", "end": "", "fraction": 1.0, "measure": "accuracy", **next(values)}]
        },
        "evidence": {
            "pages": [{
                "query": "q1", "predicted": "neutral", "probability": 0.7321, "loss": 0.3117, "gold": "no",
                "edits": [{"name": "suppress 1", "predicted": "yes", "probability": 0.4129}],
            }],
            "hits": [
                {"query": "q1", "method": m, "rank": rank, "id": f"t{rank}", "score": 7.13 - rank}
                for m in METHODS for rank in (1, 2)
            ],
            "neurons": [{"query": "q1", "rank": 1, "layer": 2, "unit": 50, "score": 0.0123}],
        },
    }  # fmt: skip


FACTS: dict[str, Row] = {
    "overlap": {"queries": 4, "k": 10, "r": 10},
    "mislabel": {"instances": 1500, "wrong": 75},
    "evidence": {"queries": 1, "layers": 3, "units": 101},
}
CONFIGS: dict[str, Row] = {"diversity": {"share": 0.1}, "agreement": {"k": 10}}


def write_results(results: Path, names: tuple[str, ...] = PAGE, texts: Any = TEXTS) -> Path:
    tables = made_tables(measured())
    for name in names:
        (results / name).mkdir(parents=True)
        result = {
            **ABOUT, "study": name, "title": name, "tables": tables[name], "facts": FACTS.get(name, {"queries": 4}),
            "config": CONFIGS.get(name, {}),
        }  # fmt: skip
        (results / name / "result.json").write_text(json.dumps(result), encoding="utf-8")
    if texts and "evidence" in names:
        (results / "evidence" / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    return results


def made_result(directory: Path, study: str, **changes: Any) -> StudyResult:
    """One study's result, read back from its file."""
    path = write_results(directory, (study,)) / study / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    found = read_result(path.parent)
    assert found is not None
    return found
