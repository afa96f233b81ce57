"""Figures of pages, from the committed results: `python -m tests.recipes.readme README.md docs/results.md` writes them.

`<!-- results: NAME -->` begins what is made here and `<!-- end -->` ends it. A test makes the pages anew and compares.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.recipes.findings import TASKS, read, row, shown

RESULTS = Path(__file__).resolve().parents[1] / "results"
MARKED = re.compile(r"(?<=<!-- results: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
Figure = Mapping[str, float]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))


def loaded(name: str) -> Any:
    """A result file."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def two(figure: Figure) -> str:
    """A probability with its interval."""
    return f"{figure['mean']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def facts() -> str:
    """What suppressing neurons leaves of the answers' probability, and how often a fact's statements are found."""
    found = loaded("facts.json")
    left, sizes = found["probability_of_the_answer_suppressed"], ("1", "10", "50")
    kinds = {"na": "the prompt's own top ones", "random": "random ones", "random, same layers": "random ones of the same layers"}
    probability = table(
        ["neurons suppressed", *sizes], [[says, *(two(left[f"{kind} {r}"]) for r in sizes)] for kind, says in kinds.items()]
    )
    shares = {name: each["fact_found"]["mean"] for name, each in found["retrieved"].items()}
    names = sorted(shares, key=lambda name: -shares[name])
    retrieved = table(["found by", *(f"`{name}`" for name in names)], [["share", *(f"{shares[name]:.2f}" for name in names)]])
    return (
        f"None suppressed, the answers have a probability of {two(found['baseline'])}.\n\n{probability}\n"
        f"Of a fact's three training statements, this share is among the ten instances found:\n\n{retrieved}"
    )


def lds() -> str:
    """The linear datamodelling score of each method in both studies."""
    found = loaded("lds.json")
    studies = [found["probe"]["lds"], found["tuned"]["lds"]]
    names = sorted(studies[0], key=lambda name: -studies[0][name]["mean"])

    def cell(figure: Figure | None) -> str:
        return f"{figure['mean']:.3f} ± {(figure['high'] - figure['low']) / 2:.3f}" if figure else ""

    paired = found["tuned"]["above_grad_dot"]["influence/ekfac"]
    rows = [[f"`{name}`", *(cell(study.get(name)) for study in studies)] for name in names]
    return table(["method", "probe", "tuned"], rows) + (
        f"\nPaired over queries, EK-FAC on the tuned model is above `grad-dot` by {paired['mean']:.3f} "
        f"({paired['low']:.3f} to {paired['high']:.3f}).\n"
    )


def summary() -> str:
    """What stands out, in two sentences."""
    found, facts = loaded("lds.json")["probe"]["lds"], loaded("facts.json")
    score = {name: f"{found[name]['mean']:.3f}" for name in ("influence/hessian", "grad-dot", "random")}
    left = {name: f"{facts['probability_of_the_answer_suppressed'][f'{name} 10']['mean']:.2f}" for name in ("na", "random")}
    return (
        "Retraining a head says that influence ranks training instances as theory wants it: the linear datamodelling score of\n"
        f"`influence/hessian` is {score['influence/hessian']}, of `grad-dot` {score['grad-dot']}, of `random` {score['random']}. "
        "Suppressing the ten neurons that NA names takes a\n"
        f"language model's facts from a probability of {facts['baseline']['mean']:.2f} to {left['na']}; ten random ones leave "
        f"{left['random']}.\n"
    )


def faithful(**wanted: Any) -> dict[str, Any]:
    """A row of the faithfulness study."""
    return {"study": "faithfulness", "table": "faithfulness", "measure": "unchanged", **wanted}


def marked(method: str) -> dict[str, Any]:
    """A row of the artefacts study."""
    return {"study": "artefacts", "table": "artefacts", "method": method, "marker": "word overlap"}


def trained(method: str, end: str, fraction: float) -> dict[str, Any]:
    """A row of the fine-tuning study."""
    about = {"study": "finetune-subsets", "table": "accuracy", "measure": "accuracy"}
    return {**about, "method": method, "end": end, "fraction": fraction}


MEASURES: dict[str, dict[str, Any]] = {
    "predictions that stay, no neuron kept": faithful(method="any", mode="keep", r=0),
    "NA's top one kept": faithful(method="na", mode="keep", r=1),
    "a random one kept": faithful(method="random", mode="keep", r=1),
    "NA's top 100 suppressed, or as many as are kept": faithful(method="na", mode="suppress", r=100),
    "100 random ones suppressed": faithful(method="random", mode="suppress", r=100),
    "of NA-Instances' ten instances, found by `grad-cos` too": {
        "study": "overlap", "table": "shared_instances", "a": "na-instances", "b": "grad-cos",
    },
    "of NA's ten neurons, found by IA-Neurons of `grad-cos` too": {
        "study": "overlap", "table": "shared_neurons", "a": "na", "b": "ia-neurons/grad-cos",
    },
    "words of the hypothesis (claim, choice) in the premise (evidence, question): whole corpus": marked("whole corpus"),
    "behind wrong answers, by `grad-cos`": marked("grad-cos"),
    "behind wrong answers, by NA-Instances": marked("na-instances"),
    "LDS of `grad-dot`": {"study": "lds", "table": "lds", "method": "grad-dot", "measure": "lds"},
    "LDS of `influence` (`fisher`)": {"study": "lds", "table": "lds", "method": "influence/fisher", "measure": "lds"},
    "LDS of NA-Instances": {"study": "lds", "table": "lds", "method": "na-instances", "measure": "lds"},
    "flipped labels found by loss, AUC": {"study": "mislabel", "table": "flipped", "method": "loss", "measure": "auc"},
    "by self-influence (`fisher`), AUC": {
        "study": "mislabel", "table": "flipped", "method": "self_influence_fisher", "measure": "auc",
    },
    "retrained on the whole pool: right answers": trained("whole pool", "", 1.0),
    "on random halves of it": trained("random", "", 0.5),
    "on the most influential half, by `grad-cos`": trained("grad-cos", "most", 0.5),
    "by NA-Instances": trained("na-instances", "most", 0.5),
}  # fmt: skip


def studies() -> str:
    """The main figures of the three tasks."""
    results = {task: found for task in TASKS if (found := read(RESULTS / task))}

    def cell(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        figures = row(found, **wanted)
        return shown(figures) if figures else ""

    rows = [[name, *(cell(found, wanted) for found in results.values())] for name, wanted in MEASURES.items()]
    return table(["", *(TASKS[task] for task in results)], rows)


BLOCKS: dict[str, Callable[[], str]] = {"summary": summary, "facts": facts, "lds": lds, "studies": studies}


def filled(text: str) -> str:
    """A page with its figures."""
    return MARKED.sub(lambda found: f"{found[1]}{found[2]}{BLOCKS[found[1]]()}", text)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
