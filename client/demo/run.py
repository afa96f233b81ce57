"""attridex demo, from the corpus to the page."""

import time
from pathlib import Path

from rich.console import Console

from attridex.client.client import Client
from attridex.client.demo.asking import ask_all
from attridex.client.demo.prepare import model_and_index, prepare
from attridex.client.demo.showing import next_steps, show_evidence, show_summary, write_report
from attridex.client.serving import server_beside


def run_demo(out: Path, seed: int) -> None:
    """Make everything in a directory, ask over gRPC, and show what was found."""
    began, console = time.perf_counter(), Console()
    console.rule("[bold]attridex demo")
    pairs = prepare(out, seed, console)
    model_and_index(out, console)
    with server_beside(out / "index") as address, Client(address) as client:
        console.print(f"\n[bold]Server[/bold] on {address}; everything below is asked over gRPC.")
        findings = ask_all(client, pairs.train, pairs.challenge, seed)
    for evidence in findings.queries:
        show_evidence(console, evidence)
    commands = next_steps(out)
    write_report(out, findings, commands)
    show_summary(console, findings)
    console.print(f"\nThe page with figures: [bold]{out / 'report.html'}[/bold]   ({time.perf_counter() - began:.0f} s)")
    console.print("Go on with:", *(f"\n  {command}" for command in commands), highlight=False, markup=False, soft_wrap=True)
