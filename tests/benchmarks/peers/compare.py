"""attridex beside bergson and dattri on one job, one after the other: see README.md."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from job import Job, write_job

HERE = Path(__file__).parent
FIGURES = ("build_wall_s", "build_cpu_s", "disk_bytes", "query_ms", "query_cpu_ms", "build_peak_mib", "found_themselves")
Runs = list[dict[str, Any]]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers-python", required=True, help="the interpreter of the environment that has the peers")
    parser.add_argument("--task", choices=("causal-lm", "sequence-classification"), default="causal-lm")
    parser.add_argument("--rows", type=int, default=512, help="training instances")
    parser.add_argument("--queries", type=int, default=32)
    parser.add_argument(
        "--rounds", type=int, default=3, help="every side runs once a round; the table has the least of each figure"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", action="append", help="run only this side (may be repeated)")
    return parser.parse_args()


def sides(peers_python: str) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Interpreter, program and environment of each side."""
    return {
        "attridex": (sys.executable, "side_attridex.py", {"PRECISION": "float32"}),
        "attridex-float16": (sys.executable, "side_attridex.py", {"PRECISION": "float16"}),
        "bergson": (peers_python, "side_bergson.py", {"TUNED": ""}),
        "dattri": (peers_python, "side_dattri.py", {"TUNED": ""}),
        "bergson-tuned": (peers_python, "side_bergson.py", {"TUNED": "1"}),
        "dattri-tuned": (peers_python, "side_dattri.py", {"TUNED": "1"}),
    }


def run(side: tuple[str, str, dict[str, str]], job: Job, directory: Path) -> dict[str, Any]:
    """One run of one side in a process of its own; its last line of output holds its figures."""
    python, program, extra = side
    index = directory / "index"
    shutil.rmtree(index, ignore_errors=True)
    fixed = {"OMP_NUM_THREADS": str(job.threads), "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    command = [python, str(HERE / program), str(directory), str(index)]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **fixed, **extra})
    lines = ran.stdout.splitlines()
    if ran.returncode or not lines:
        sys.exit(f"{program}: {ran.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def least(runs: Runs, figure: str) -> Any:
    """The least of a figure over rounds: what else the machine does can only add to it. A text is the same in all."""
    return min(run[figure] for run in runs)


def table(found: dict[str, Runs]) -> str:
    """Markdown: a line a side, numbers with their ratio to the first side's."""
    lines = ["| side | " + " | ".join(FIGURES) + " |", "|---" * (len(FIGURES) + 1) + "|"]
    first = next(iter(found.values()))
    for runs in found.values():
        cells = []
        for figure in FIGURES:
            value, own = least(runs, figure), least(first, figure)
            cells.append(value if isinstance(value, str) else f"{value:,.10g} ({value / own:.2f}x)")
        lines.append(f"| {runs[0]['side']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    given = arguments()
    job = Job(given.task, rows=given.rows, queries=given.queries, threads=given.threads)
    chosen = {name: side for name, side in sides(given.peers_python).items() if not given.side or name in given.side}
    found: dict[str, Runs] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as work:
        directory = Path(work)
        write_job(job, directory)
        for number in range(given.rounds):
            for name, side in chosen.items():
                figures = run(side, job, directory)
                found[name].append(figures)
                sys.stdout.write(json.dumps({"task": job.task, "round": number, **figures}) + "\n")
                sys.stdout.flush()
    sys.stdout.write(f"\n{table(found)}\n")


if __name__ == "__main__":
    main()
