"""The demo's findings on the terminal and in its report."""

from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from attridex.client.demo.showing import key_numbers, next_steps, show_evidence, show_summary, write_report
from tests.client.demo.examples import EVIDENCE, FINDINGS


def test_evidence_and_summary_are_shown() -> None:
    console: Any = Console(file=StringIO(), width=120)
    show_evidence(console, EVIDENCE)
    show_summary(console, FINDINGS)
    shown = " ".join(console.file.getvalue().split())
    for part in (
        "the dog by the cat ran → the cat ran",
        "predicted entailment, right would be non-entailment",
        "IA 0.25 a dog ran a dog entailment flipped",
        "P(entailment) 0.500 top 5 neurons suppressed",
        "on 3 of 4 challenge pairs",
        "IA self-influence 1.000 1.00",
        "top 10 by NA-Instances 0.80",
    ):
        assert part in shown


def test_the_report_is_a_page_and_a_picture(tmp_path: Path) -> None:
    commands = next_steps(tmp_path)
    write_report(tmp_path, FINDINGS, commands)
    page = (tmp_path / "report.html").read_text()
    assert all(value in page for value, _ in key_numbers(FINDINGS))
    assert f"attridex serve {tmp_path / 'index'}" == commands[-1]
    assert commands[-1] in page
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
