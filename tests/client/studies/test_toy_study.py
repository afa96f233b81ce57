"""A study of others: one file, registered under the entry points `attridex.studies`, and nothing else."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.studies.conftest import result
from tests.conftest import Ran, write_jsonl

TOY = """
from dataclasses import dataclass
from typing import Annotated

from attridex.client.figures.tables import Axis, pivot
from attridex.client.studies.base import METHOD, Contents, KeyNumber, Study
from attridex.client.workbench.requests import instances_request
from attridex.client.workbench.results import Findings
from attridex.client.workbench.statistics import mean_interval


@dataclass(frozen=True)
class Config:
    k: Annotated[int, "instances a query"] = 3


def top_scores(answer):
    for found in answer.results:
        yield {"query": found.query_id, "score": found.hits[0].score}


def run(context, config):
    table = []
    for method in context.methods:
        lines = context.ask(
            f"toy/{method.path}", context.queries,
            lambda batch, method=method: instances_request(context, method, batch, k=config.k, label=context.label),
            top_scores, settings={"method": method.name, "k": config.k},
        )
        scores = [line["score"] for line in lines]
        table.append({"method": method.name, "measure": "top", **mean_interval(scores, context.seed).columns()})
    return Findings(tables={"top": table}, facts={"queries": len(context.queries), "asked": config.k}, notes=["a toy says so"])


def section(result, palette):
    from attridex.client.figures.bars import Panel, bar_panels
    from attridex.client.figures.drawing import picture

    rows = result.rows("top")
    drawn = picture("toy", bar_panels([Panel(rows)], palette), "Bars of the highest score.", "Mean over queries.")
    return Contents([drawn], [pivot(rows, METHOD, Axis("measure", ""), "Highest scores")])


STUDY = Study(
    name="toy", title="A toy of others", measured="The highest score of each query.", settings=Config, run=run, section=section,
    facts={"asked": lambda n: f"{n} asked for"}, key_numbers=lambda result: [KeyNumber.of(result.rows("top")[0], "at the top")],
)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where the toy is installed, as by pip, on the path of this process."""
    site = tmp_path / "site"
    (site / "toystudy-1.0.dist-info").mkdir(parents=True)
    (site / "toystudy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toystudy\nVersion: 1.0\n")
    (site / "toystudy-1.0.dist-info" / "entry_points.txt").write_text("[attridex.studies]\ntoy = toystudy:STUDY\n")
    (site / "toystudy.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.mark.usefixtures("installed")
def test_a_study_of_others_is_listed_runs_and_has_its_section(wired: Path, tmp_path: Path, attridex: Callable[..., Ran]) -> None:
    queries = write_jsonl(tmp_path / "few.jsonl", [{"id": "q1", "text": "good0 bad1"}, {"id": "q2", "text": "bad0 good1"}])
    out = tmp_path / "out"
    (tmp_path / "settings.toml").write_text("[toy]\nk = 2\n")
    ran = attridex("study", "toys", "--index", wired, "--queries", queries, "--out", out)
    assert "finetune-subsets, toy, all" in ran.err
    ran = attridex(
        "study", "toy", "--index", wired, "--queries", queries, "--out", out, "--settings", tmp_path / "settings.toml"
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = result(out, "toy")
    assert found["config"] == {"k": 2}
    assert [row["method"] for row in found["tables"]["top"]][-1] == "na-instances"
    page = (out / "report.html").read_text()
    for said in (
        "A toy of others",
        "The highest score of each query.",
        "2 queries; 2 asked for.",
        "A toy says so.",
        "at the top",
    ):
        assert said in page
    assert page.index('id="finetune-subsets"') < page.index('id="toy"') < page.index('id="evidence"')
    assert (out / "figures" / "toy.svg").exists()
    ran = attridex("study", "toy", "--index", wired, "--queries", queries, "--out", out)
    assert "done with other settings" in ran.err


def test_the_help_lists_a_study_of_others(installed: Path) -> None:
    code = "from attridex.client.commands.app import main; main()"
    ran = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r}); {code}", "study", "--help"],
                         capture_output=True, text=True)  # fmt: skip
    assert "toy" in ran.stdout
    assert "toystudy" not in ran.stdout
