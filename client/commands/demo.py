"""attridex demo: the whole way on bundled data, in under two minutes."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory for everything that the demo makes.")] = Path("attridex-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of data and model.")] = 0,
) -> None:
    """The whole way on bundled data: corpus, fine-tuning, index, server, queries, and a page of results."""
    from attridex.client.demo.run import run_demo

    run_demo(out, seed)
