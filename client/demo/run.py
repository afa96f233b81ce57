"""attridex demo: the whole way on bundled data, in under two minutes."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from attridex.client.calls import Intervention, Query
from attridex.client.client import Client
from attridex.client.demo.corpus import LABELS, generate, vocabulary
from attridex.client.errors import ClientError
from attridex.client.models import InstanceHit, InstancesAnswer

CONFIG = """\
# Written by `attridex demo`; use it as a start for your own.
[model]
path = "model"
max_length = 64

[corpus]
files = ["train.jsonl"]
labels = ["entailment", "non-entailment"]
segments = ["Premise : {premise}", "/ Hypothesis : {hypothesis}", "/ Answer :"]
metadata = ["heuristic", "subcase", "overlap", "flipped"]

[gradients]
parameters = "head"
curvature = ["hessian", "fisher"]

[training]
base = "base"
epochs = 8
batch_size = 32
learning_rate = 1e-3
seed = SEED
"""
FIELDS = ("premise", "hypothesis", "label", "overlap", "flipped")
QUERIES, K = 100, 10
BATCH = 100
SHOWN = 3
console = Console()


def register(app: typer.Typer) -> None:
    """Add the demo to an app."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory for everything that the demo makes.")] = Path("attridex-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of data and model.")] = 0,
) -> None:
    """The whole way on bundled data: corpus, fine-tuning, index, server, queries, and a page of results."""
    began = time.perf_counter()
    console.rule("[bold]attridex demo")
    train, challenge = prepare(out, seed)
    model_and_index(out)
    with served(out / "index") as address, Client(address) as client:
        console.print(f"\n[bold]Server[/bold] on {address}; everything below is asked over gRPC.")
        results = ask(client, train, challenge, seed)
    commands = next_steps(out)
    write_report(out, results, len(train), commands)
    summary(results)
    console.print(f"\nThe page with figures: [bold]{out / 'report.html'}[/bold]   ({time.perf_counter() - began:.0f} s)")
    console.print("Go on with:", *(f"\n  {command}" for command in commands), highlight=False, markup=False, soft_wrap=True)


def prepare(out: Path, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write corpus, queries, configuration and a base model; what another seed made is refused."""
    config = CONFIG.replace("SEED", str(seed))
    path = out / "config.toml"
    if path.exists() and path.read_text() != config:
        raise ClientError(f"{out}: holds a demo with another seed or version; choose another --out or remove it")
    out.mkdir(parents=True, exist_ok=True)
    train, challenge = generate(seed)
    for name, rows in (("train.jsonl", train), ("challenge.jsonl", challenge)):
        (out / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    if not (out / "base" / "config.json").exists():
        base_model(out / "base", vocabulary(train + challenge), seed)
    path.write_text(config)
    flipped = sum(row["flipped"] for row in train)
    console.print(
        f"[bold]Corpus[/bold] {len(train)} HANS-style pairs; shared words go with entailment, {flipped} labels are flipped."
    )
    return train, challenge


def base_model(out: Path, words: list[str], seed: int) -> None:
    """A small OPT-style classifier with random weights, and a tokenizer of whole words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(seed)
    specials = ["<pad>", "<s>", "<unk>"]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(specials + words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    )
    config = transformers.OPTConfig(
        vocab_size=len(specials) + len(words), hidden_size=96, word_embed_proj_dim=96, ffn_dim=384, num_hidden_layers=4,
        num_attention_heads=4, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=1, num_labels=len(LABELS),
    )  # fmt: skip
    transformers.OPTForSequenceClassification(config).save_pretrained(out)
    tokenizer.save_pretrained(out)


def model_and_index(out: Path) -> None:
    """Fine-tune and build, through the same functions as the commands; what is there is used again."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import load_config
    from attridex.indexer.training.finetuning import finetune

    config = load_config(out / "config.toml")
    if not (out / "model" / "config.json").exists():
        figures = finetune(config, out / "model")
        console.print(
            f"[bold]Model[/bold] 4-layer OPT, {figures['steps']:.0f} steps, mean training loss {figures['train_loss']:.3f}"
        )
    config = load_config(out / "config.toml")
    built = build(config, out / "index")
    console.print(f"[bold]Index[/bold] {built.manifest.instances} instances, {built.signed} signed now")


@contextmanager
def served(index: Path) -> Iterator[str]:
    """Run `attridex serve` on a free loopback port; gives HOST:PORT."""
    command = [
        sys.executable,
        "-c",
        "from attridex.client.commands.app import main; main()",
        "serve",
        str(index),
        "--listen",
        "127.0.0.1:0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            for line in process.stderr or ():
                lines.append(line)
                if line.startswith("listening on "):
                    break
            else:
                raise ClientError(f"the server did not start: {''.join(lines[-1:]).strip()}")
            yield lines[-1].removeprefix("listening on ").strip()
        finally:
            process.terminate()


def ask(client: Client, train: list[dict[str, Any]], challenge: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Ask all kinds of queries about the challenge pairs that the model gets wrong, and look for flipped labels."""
    from attridex.client.demo.figures import detect, mean
    from attridex.client.workbench.statistics import disagreement

    predictions = [result for rows in chunks(challenge) for result in client.predict(rows).results]
    wrong = [row for row, result in zip(challenge, predictions, strict=True) if result.baseline.predicted != row["label"]]
    if not wrong:
        raise ClientError("the model gets every challenge pair right: no evidence to show; try another --seed")
    asked = wrong[:QUERIES]
    ia = [client.attribute_instances(rows, method="grad-cos", label="predicted", k=K, fields=FIELDS) for rows in chunks(asked)]
    na = [client.find_instances_by_neurons(rows, k=K, fields=FIELDS) for rows in chunks(asked)]
    norms = {i.id: i.fields["gradient_norm"] for i in client.list_instances(fields=["gradient_norm"])}
    suspicion = [norms[row["id"]] ** 2 for row in train]
    neighbours = [
        [hit.fields["label"] for hit in result.hits if hit.id != result.query_id]
        for rows in chunks(train)
        for result in client.find_instances_by_neurons(
            [Query.instance(row["id"]) for row in rows], k=K + 1, fields=["label"]
        ).results
    ]
    flipped = [row["flipped"] for row in train]
    chance = random.Random(seed)
    return {
        "wrong": len(wrong),
        "challenge": len(challenge),
        "suspicion": suspicion,
        "flipped": flipped,
        "detection": {
            "IA self-influence": detect(suspicion, flipped),
            "NA-Instances": detect(
                [disagreement(row["label"], found) for row, found in zip(train, neighbours, strict=True)], flipped
            ),
            "random": detect([chance.random() for _ in train], flipped),
        },
        "overlaps": {
            "whole corpus": mean([row["overlap"] for row in train]),
            "IA": mean([hit.fields["overlap"] for hit in hits_of(ia)]),
            "NA-Instances": mean([hit.fields["overlap"] for hit in hits_of(na)]),
        },
        "queries": [
            evidence(client, row, *found) for row, *found in zip(asked[:SHOWN], ia[0].results, na[0].results, strict=False)
        ],
    }


def chunks(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in groups, one request each."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def hits_of(answers: list[InstancesAnswer]) -> list[InstanceHit]:
    """All hits of some answers."""
    return [hit for answer in answers for result in answer.results for hit in result.hits]


def evidence(client: Client, row: Mapping[str, Any], ia: Any, na: Any) -> dict[str, Any]:
    """What stands behind one answer, by every kind of query; also shown on the terminal."""
    neurons = client.attribute_neurons([row], r=5).results[0].neurons
    through = client.find_neurons_by_instances([row], method="grad-cos", label="predicted", r=5).results[0].neurons
    edits = [Intervention("suppress", r=5), Intervention("keep", r=1), Intervention("suppress", [n.neuron for n in through])]
    edited = client.predict([row], interventions=edits).results[0]
    label = edited.baseline.predicted
    named = [
        ("unedited", edited.baseline.probabilities[label]),
        (f"top 5 neurons suppressed (NA: {listed(neurons)})", edited.interventions[0].probabilities[label]),
        ("all but the top neuron suppressed", edited.interventions[1].probabilities[label]),
        (
            f"neurons of the influential instances suppressed (IA-Neurons: {listed(through)})",
            edited.interventions[2].probabilities[label],
        ),
    ]
    show_query(row, label, ia.hits, na.hits, named)
    return {
        **{key: row[key] for key in ("premise", "hypothesis", "label", "subcase")},
        "predicted": label,
        "probability": edited.baseline.probabilities[label],
        "found": [
            ("Training instances by gradients (IA, cosine)", ia.hits[:5]),
            ("Training instances by neurons (NA-Instances, DCNS)", na.hits[:5]),
        ],
        "edits": named,
    }


def listed(neurons: Any) -> str:
    """Neurons as layer-unit."""
    return ", ".join(f"{neuron.layer}-{neuron.unit}" for neuron in neurons)


def show_query(row: Mapping[str, Any], label: str, ia: Any, na: Any, edits: list[tuple[str, float]]) -> None:
    """One query's evidence on the terminal."""
    console.print(f"\n[bold]{row['premise']}[/bold]  →  {row['hypothesis']}")
    console.print(f"  {row['subcase']}: predicted [bold]{label}[/bold], right would be {row['label']}", highlight=False)
    table = Table("found by", "score", "premise", "hypothesis", "label", box=None, pad_edge=False)
    for name, hits in (("IA", ia[:3]), ("NA-Instances", na[:3])):
        for hit in hits:
            mark = " [red]flipped[/red]" if hit.fields["flipped"] else ""
            table.add_row(
                name, f"{hit.score:.3g}", hit.fields["premise"], hit.fields["hypothesis"], f"{hit.fields['label']}{mark}"
            )
    console.print(table)
    for name, probability in edits:
        console.print(f"  P({label}) {probability:.3f}  {name}", highlight=False, style="dim")


def summary(results: Mapping[str, Any]) -> None:
    """The numbers that the demo is about."""
    console.print(f"\n[bold]The model is misled[/bold] on {results['wrong']} of {results['challenge']} challenge pairs.")
    table = Table("finding the flipped labels", "AUC", "precision", box=None, pad_edge=False)
    for name, found in results["detection"].items():
        table.add_row(name, f"{found.auc:.3f}", f"{found.precision:.2f}")
    console.print(table)
    table = Table("words of the hypothesis in the premise", "share", box=None, pad_edge=False)
    for name, value in results["overlaps"].items():
        table.add_row(name if name == "whole corpus" else f"top {K} by {name}", f"{value:.2f}")
    console.print(table)


def write_report(out: Path, results: Mapping[str, Any], instances: int, commands: list[str]) -> None:
    """report.html and the figure as report.png."""
    from attridex.client.demo.figures import as_png, as_svg, figure, page

    drawn = figure(results["suspicion"], results["flipped"], results["detection"], results["overlaps"])
    detection, overlaps = results["detection"], results["overlaps"]
    numbers = [
        (f"{results['wrong']} of {results['challenge']}", "challenge pairs that mislead the model"),
        (f"{detection['IA self-influence'].auc:.3f}", "AUC of self-influence at finding flipped labels"),
        (f"{detection['NA-Instances'].auc:.3f}", "AUC of NA-Instances at the same"),
        (f"{overlaps['IA']:.2f} / {overlaps['whole corpus']:.2f}", "word overlap of IA's instances / of the corpus"),
    ]
    context = {
        "instances": instances,
        "numbers": numbers,
        "svg": as_svg(drawn),
        "queries": results["queries"],
        "commands": commands,
    }
    (out / "report.html").write_text(page(context), encoding="utf-8")
    (out / "report.png").write_bytes(as_png(drawn))


def next_steps(out: Path) -> list[str]:
    """Commands that work on what the demo leaves."""
    ask_it = f"--index {out / 'index'} --queries {out / 'challenge.jsonl'} --limit 3"
    return [
        f"attridex info {out / 'index'}",
        f'attridex query ia {ask_it} --method influence --curvature hessian --where "flipped"',
        f"attridex query na-instances {ask_it}",
        f"attridex predict {ask_it} --suppress na:10 --keep na:1",
        f"attridex serve {out / 'index'}",
    ]
