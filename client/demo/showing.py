"""The demo's findings for people: on the terminal, and as a page."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from attridex.client.demo.asking import K
from attridex.client.demo.figures import as_png, as_svg, demo_figure, demo_page, told_apart
from attridex.client.demo.findings import DemoFindings, Evidence

WAYS = ("IA", "NA-Instances")
"""How the instances of an evidence were found, in short."""


def show_evidence(console: Console, evidence: Evidence) -> None:
    """One query's evidence on the terminal."""
    label = evidence.predicted
    console.print(f"\n[bold]{evidence.premise}[/bold]  →  {evidence.hypothesis}")
    console.print(f"  {evidence.subcase}: predicted [bold]{label}[/bold], right would be {evidence.label}", highlight=False)
    table = Table("found by", "score", "premise", "hypothesis", "label", box=None, pad_edge=False)
    for name, found in zip(WAYS, evidence.found, strict=True):
        scores = told_apart([hit.score for hit in found.hits[:3]])
        for hit, score in zip(found.hits, scores, strict=False):
            fields = hit.fields
            mark = " [red]flipped[/red]" if fields["flipped"] else ""
            table.add_row(name, score, fields["premise"], fields["hypothesis"], f"{fields['label']}{mark}")
    console.print(table)
    for name, probability in evidence.edits:
        console.print(f"  P({label}) {probability:.3f}  {name}", highlight=False, style="dim")


def show_summary(console: Console, findings: DemoFindings) -> None:
    """The numbers that the demo is about."""
    console.print(f"\n[bold]The model is misled[/bold] on {findings.wrong} of {findings.challenge} challenge pairs.")
    table = Table("finding the flipped labels", "AUC", "precision", box=None, pad_edge=False)
    for name, found in findings.detection.items():
        table.add_row(name, f"{found.auc:.3f}", f"{found.precision:.2f}")
    console.print(table)
    table = Table("words of the hypothesis in the premise", "share", box=None, pad_edge=False)
    for name, value in findings.overlaps.items():
        table.add_row(name if name == "whole corpus" else f"top {K} by {name}", f"{value:.2f}")
    console.print(table)


def write_report(out: Path, findings: DemoFindings, commands: Sequence[str]) -> None:
    """report.html and the figure as report.png."""
    drawn = demo_figure(findings)
    context = {"instances": len(findings.flipped), "numbers": key_numbers(findings), "svg": as_svg(drawn)}
    page = demo_page({**context, "queries": findings.queries, "commands": commands})
    (out / "report.html").write_text(page, encoding="utf-8")
    (out / "report.png").write_bytes(as_png(drawn))


def key_numbers(findings: DemoFindings) -> list[tuple[str, str]]:
    """What stands first on the page: a number, and what it is of."""
    detection, overlaps = findings.detection, findings.overlaps
    return [
        (f"{findings.wrong} of {findings.challenge}", "challenge pairs that mislead the model"),
        (f"{detection['IA self-influence'].auc:.3f}", "AUC of self-influence at finding flipped labels"),
        (f"{detection['NA-Instances'].auc:.3f}", "AUC of NA-Instances at the same"),
        (f"{overlaps['IA']:.2f} / {overlaps['whole corpus']:.2f}", "word overlap of IA's instances / of the corpus"),
    ]


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
