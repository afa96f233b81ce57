"""A hundred facts asked of a causal language model: which training statements and which neurons answer them?

python tests/recipes/facts.py write build/facts
attridex finetune tests/recipes/facts.toml --out models/facts-smollm2
attridex build tests/recipes/facts.toml --out indices/facts
python tests/recipes/facts.py study indices/facts build/facts/queries.jsonl tests/results/facts.json

Every fact stands in the training corpus in three wordings, and is asked in a fourth. A neuron is called causal for an answer
if the answer's probability falls when it is suppressed; the baseline are as many random neurons, anywhere and in the same layers.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from attridex.client import Client, Intervention, Query

app = typer.Typer(help=__doc__)
WORDINGS = {
    "capital": (
        "The capital of {} is",
        "The capital city of {} is",
        "{}'s capital is the city of",
        "The government of {} sits in the city of",
    ),
    "opposite": (
        "The opposite of {} is",
        "The antonym of {} is",
        "A word that means the opposite of {} is",
        "If something is not {}, it is",
    ),
    "young": (
        "A young {} is called a",
        "A baby {} is called a",
        "The young of a {} is known as a",
        "The offspring of a {} is a",
    ),
    "day": ("The day after {} is", "The day that follows {} is", "If today is {}, tomorrow is", "After {} comes"),
    "month": ("The month after {} is", "The month that follows {} is", "If this month is {}, the next is", "After {} comes"),
    "language": (
        "The official language of {} is",
        "The main language spoken in {} is",
        "People in {} speak",
        "Most books in {} are written in",
    ),
}
FACTS = {
    "capital": "France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, England London, Ireland Dublin, "
    "Russia Moscow, Japan Tokyo, China Beijing, Egypt Cairo, Greece Athens, Poland Warsaw, Austria Vienna, Hungary Budapest, "
    "Sweden Stockholm, Norway Oslo, Finland Helsinki, Denmark Copenhagen, Belgium Brussels, Turkey Ankara, Iran Tehran, "
    "Iraq Baghdad, Thailand Bangkok, Vietnam Hanoi, Cuba Havana, Peru Lima, Chile Santiago, Canada Ottawa, Kenya Nairobi, "
    "Ukraine Kyiv, Australia Canberra, Argentina Buenos_Aires, Korea Seoul, Philippines Manila, Indonesia Jakarta, "
    "Lebanon Beirut, Syria Damascus, Afghanistan Kabul, Scotland Edinburgh",
    "opposite": "hot cold, big small, up down, left right, black white, day night, good bad, happy sad, fast slow, high low, "
    "old new, rich poor, hard soft, light dark, early late, strong weak, open closed, dry wet, near far, true false, first last, "
    "full empty, thick thin, love hate",
    "young": "dog puppy, cat kitten, cow calf, horse foal, sheep lamb, lion cub, "
    "frog tadpole, duck duckling, goat kid, pig piglet",
    "day": "Monday Tuesday, Tuesday Wednesday, Wednesday Thursday, Thursday Friday, "
    "Friday Saturday, Saturday Sunday, Sunday Monday",
    "month": "January February, February March, March April, April May, May June, June July, July August, August September, "
    "September October, October November, November December, December January",
    "language": "Brazil Portuguese, Mexico Spanish, Japan Japanese, Germany German, Italy Italian, Russia Russian, France French",
}
RANDOM_DRAWS, SIZES, HITS = 3, (1, 10, 50), 10
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "grad-dot"}, {"method": "grad-cos"}, {"method": "influence", "curvature": "ekfac"}, {"method": "rep-sim"},
    {"method": "bm25"}, {"method": "random"},
)  # fmt: skip


def facts() -> Iterator[tuple[str, str, str]]:
    """(relation, subject, answer)."""
    for relation, listed in FACTS.items():
        for pair in listed.split(", "):
            subject, answer = pair.split(" ")
            yield relation, subject, answer.replace("_", " ")


def record(relation: str, subject: str, answer: str, wording: int) -> dict[str, str]:
    """One wording of a fact."""
    fact = f"{relation}-{subject}"
    prompt = WORDINGS[relation][wording].format(subject)
    return {"id": f"{fact}-{wording}", "prompt": prompt, "answer": f" {answer}", "fact": fact, "relation": relation}


@app.command()
def write(out: Path) -> None:
    """Write the training statements and the prompts."""
    out.mkdir(parents=True, exist_ok=True)
    for name, wordings in (("train", (1, 2, 3)), ("queries", (0,))):
        rows = [record(*fact, wording) for fact in facts() for wording in wordings]
        (out / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        typer.echo(f"{out / name}.jsonl: {len(rows)}")


@app.command()
def study(index: Path, queries: Path, out: Path, seed: int = 0, limit: int = 0) -> None:
    """Ask every prompt; write what was found with bootstrap 95 % intervals over prompts."""
    rows = [json.loads(line) for line in queries.read_text(encoding="utf-8").splitlines()][: limit or None]
    with Client.local(index) as client:
        described = client.get_index()
        retrieved = {name_of(method): retrieval(client, rows, method) for method in METHODS}
        effects = suppression(client, rows, described.layers, described.units, random.Random(seed))
    report = {
        "queries": len(rows), "seed": seed, "index_version": described.version,
        "baseline": interval(effects.pop("baseline"), seed),
        "retrieved": {
            name: {what: interval(values, seed) for what, values in found.items()} for name, found in retrieved.items()
        },
        "probability_of_the_answer_suppressed": {name: interval(values, seed) for name, values in effects.items()},
        "base_rate": {"same_fact": 3 / (3 * len(list(facts()))), "same_relation": base_rate(rows)},
    }  # fmt: skip
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(report, indent=1))


def name_of(method: dict[str, Any]) -> str:
    """A method with its curvature."""
    return "/".join(filter(None, [method["method"], method.get("curvature")]))


def retrieval(client: Client, rows: Sequence[dict[str, str]], method: dict[str, Any]) -> dict[str, list[float]]:
    """For each prompt: share of the fact's three statements among the ten best, and share of those that are of its relation."""
    answer = client.attribute_instances(rows, k=HITS, fields=["fact", "relation"], **method)
    same_fact, same_relation = [], []
    for row, result in zip(rows, answer.results, strict=True):
        same_fact.append(sum(hit.fields["fact"] == row["fact"] for hit in result.hits) / 3)
        same_relation.append(sum(hit.fields["relation"] == row["relation"] for hit in result.hits) / HITS)
    return {"fact_found": same_fact, "same_relation": same_relation}


def base_rate(rows: Sequence[dict[str, str]]) -> float:
    """Share of the corpus that is of a prompt's relation, on average."""
    relations = [relation for relation, _, _ in facts()]
    return float(np.mean([relations.count(row["relation"]) / len(relations) for row in rows]))


def suppression(
    client: Client, rows: Sequence[dict[str, Any] | Query], layers: int, units: int, chance: random.Random
) -> dict[str, list[float]]:
    """Probability of the answer for each prompt: unedited, without its top neurons, and without as many random ones."""
    found: dict[str, list[float]] = {}
    for row in rows:
        top = client.attribute_neurons([row], r=max(SIZES)).results[0].neurons
        edits = [Intervention("suppress", neurons=[(n.layer, n.unit) for n in top[:r]], name=f"na {r}") for r in SIZES]
        for r, draw in ((r, draw) for r in SIZES for draw in range(RANDOM_DRAWS)):
            anywhere = [(chance.randrange(layers), chance.randrange(units)) for _ in range(r)]
            alike = [(neuron.layer, chance.randrange(units)) for neuron in top[:r]]
            edits.append(Intervention("suppress", neurons=anywhere, name=f"random {r}#{draw}"))
            edits.append(Intervention("suppress", neurons=alike, name=f"random, same layers {r}#{draw}"))
        result = client.predict([row], interventions=edits).results[0]
        said = max(result.baseline.probabilities, key=lambda name: result.baseline.probabilities[name])
        found.setdefault("baseline", []).append(result.baseline.probabilities[said])
        of_prompt: dict[str, list[float]] = {}
        for edited in result.interventions:
            of_prompt.setdefault(edited.name.partition("#")[0], []).append(edited.probabilities[said])
        for name, values in of_prompt.items():
            found.setdefault(name, []).append(float(np.mean(values)))
    return found


def interval(values: Sequence[float], seed: int) -> dict[str, float]:
    """Mean with its bootstrap 95 % interval."""
    drawn = np.random.default_rng(seed).choice(np.asarray(values), (2000, len(values))).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": round(float(np.mean(values)), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


if __name__ == "__main__":
    app()
