"""Figures of pages, from the committed results: `python -m tests.recipes.readme README.md docs/results.md` writes them.

`<!-- results: NAME -->` begins what is made here and `<!-- end -->` ends it. A test makes the pages anew and compares.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attridex.indexer.building.capacity import Capacity, Means
from attridex.indexer.commands.plan import facts as facts_of
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
    shares = {name: each["fact_found"]["mean"] for name, each in found["retrieved"].items()}
    names = sorted(shares, key=lambda name: -shares[name])
    retrieved = table(["found by", *(f"`{name}`" for name in names)], [["share", *(f"{shares[name]:.2f}" for name in names)]])
    left = suppressed({"baseline": found["baseline"], **found["probability_of_the_answer_suppressed"]})
    return (
        f"Of the answers' probability is left:\n\n{left}\n"
        f"Of a fact's three training statements, this share is among the ten instances found:\n\n{retrieved}"
    )


def three(figure: Figure) -> str:
    """A correlation with its interval."""
    return f"{figure['mean']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def lds() -> str:
    """The linear datamodelling score of each method where a model has learned its task."""
    found = loaded("topics.json")
    above = {"grad-dot": "", **{name: three(figure) for name, figure in found["above_grad_dot"].items()}}
    rows = []
    for name in sorted(found["lds"], key=lambda name: -found["lds"][name]["mean"]):
        method, _, size = name.partition(", ")
        numbers = size.removesuffix(" numbers") or f"{found['dim']:,}"
        rows.append([f"`{method}`", numbers, three(found["lds"][name]), above[name]])
    whole, halves = (" and ".join(f"{each:.3f}" for each in found[name]) for name in ("accuracy", "accuracy_of_halves"))
    head = ["method", "numbers an instance", "LDS", "above `grad-dot`"]
    return (
        f"{table(head, rows)}\nThe models of the two training seeds are right on {whole} of the {found['queries']} texts, "
        f"those of halves on {halves}.\n"
    )


def brief() -> str:
    """The same in a line: EK-FAC by size, the others at the default one."""
    found = loaded("topics.json")["lds"]
    names = sorted((name for name in found if not name.startswith("grad-dot, ")), key=lambda name: -found[name]["mean"])
    return table(["", *(name.removesuffix(" numbers") for name in names)], [["LDS", *(two(found[name]) for name in names)]])


def probe() -> str:
    """The linear datamodelling score of each method where a head is at its optimum."""
    found = loaded("probe.json")["lds"]
    names = sorted(found, key=lambda name: -found[name]["mean"])
    return table(["method", "LDS"], [[f"`{name}`", three(found[name])] for name in names])


def summary() -> str:
    """What stands out, and the LDS in a line."""
    before = loaded("facts.json")["baseline"]
    left = loaded("facts.json")["probability_of_the_answer_suppressed"]
    return (
        "Suppressing the ten neurons that NA names takes a language model's facts from a probability of "
        f"{before['mean']:.2f} to {left['na 10']['mean']:.2f}; ten\nrandom ones leave {left['random 10']['mean']:.2f}. How well "
        "scores foretell, by rank, the losses of models trained anew on halves of the data (linear datamodelling\nscore; "
        "AG News, all weights of SmolLM2's first layers; 95 % intervals over seeds, halves and queries), at "
        "so many numbers an instance:\n\n"
        f"{brief()}"
    )


def suppressed(found: Mapping[str, Figure]) -> str:
    """What suppressing neurons leaves of an answer's probability."""
    kinds = {"na": "its own top ones", "random": "random ones", "random, same layers": "random ones of the same layers"}
    rows = [[says, *(two(found[f"{kind} {count}"]) for count in ("1", "10", "50"))] for kind, says in kinds.items()]
    return f"None suppressed: {two(found['baseline'])}.\n\n" + table(["neurons suppressed", "1", "10", "50"], rows)


def chats() -> str:
    """What a chat model's answers owe to which chats and neurons."""
    found = loaded("chats.json")
    names = list(found["retrieved"])
    rows = [
        [says, *(two(found["retrieved"][name][key]) for name in names)]
        for key, says in {"same_kind": "chats of the same kind", "same_topic": "news of the same topic"}.items()
    ]
    right = " and ".join(f"{share:.2f} of the {CHATS[kind]}" for kind, share in found["right"].items())
    return (
        f"The model answers right to {right}; its losses differ from the\ntrainer's own by at most "
        f"{found['greatest_difference_of_losses']:.0e} of them. Of the ten chats found, this share is\n\n"
        f"{table(['', *(f'`{name}`' for name in names)], rows)}\n"
        f"and this is left of the answers' probability:\n\n{suppressed(found['probability_of_the_answer'])}"
    )


CHATS = {"news": "topics", "choice": "questions with choices"}


def pairs() -> str:
    """What a pair classifier's answers owe to which pairs and neurons."""
    found = loaded("pairs.json")
    shares = found["same_label"]
    alike = table(["found by", *(f"`{name}`" for name in shares)], [["share", *map(two, shares.values())]])
    return (
        f"It is right on {found['right']:.3f} of {found['queries']} test pairs, and its probabilities are those of "
        f"`trainer.predict` within {found['greatest_difference_of_probabilities']:.0e}.\n"
        f"Of the ten instances found, this share has the label that it predicts:\n\n{alike}\n"
        f"Of the answer's probability is left:\n\n{suppressed(found['probability_of_the_answer'])}"
    )


def sizes() -> str:
    """What indices of three sizes take."""
    found = loaded("capacity.json")
    means, measured = Means(**found["means"]), found["measured"]
    columns = [facts_of(Capacity(**each), means) for each in found["sizes"]]
    rows = [[name.strip(), *(column[name] for column in columns)] for name in columns[0] if name != "instances"]
    return (
        "`attridex plan tests/recipes/capacity.toml --instances 1e6 --instances 1e8 --instances 1e10` on one core of a busy CPU\n"
        "([configuration](../tests/recipes/capacity.toml): SmolLM2-135M, all linear layers, EK-FAC, neurons by their gradient;\n"
        f"{measured['instances']:,} AG News texts of {measured['tokens'] / measured['instances']:.0f} tokens). "
        "A GPU's `--speed` is what its own dry run says.\n\n"
        + table(["instances", *(column["instances"] for column in columns)], rows)
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


BLOCKS: dict[str, Callable[[], str]] = {
    "summary": summary, "facts": facts, "lds": lds, "probe": probe, "chats": chats, "pairs": pairs, "studies": studies,
    "capacity": sizes,
}  # fmt: skip


def filled(text: str) -> str:
    """A page with its figures."""
    return MARKED.sub(lambda found: f"{found[1]}{found[2]}{BLOCKS[found[1]]()}", text)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
