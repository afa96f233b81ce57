"""What growth costs: ten appends of a hundredth each beside signing those instances, and queries beside a fresh build's.

python -m tests.soak growing tests/results/soak/growing.json --instances 10000
python -m tests.soak growing tests/results/soak/growing-opt-125m.json --instances 10000 --opt-125m --no-fresh

The model is loaded once. Signing is measured in the same process with the same batches, without writing anything; the queries
are exact searches by gradient of stored instances, in turns on both indices. They cost the same whatever the model was, since an
instance's gradient has as many numbers: the fresh build beside a large model can be left out.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from attridex.client import Client
from attridex.client.benchmarks.scene import OPT_125M, SMALL, configuration, scene, texts
from attridex.indexer.building.build import build
from attridex.indexer.building.plan import Plan, make_plan, survey_corpus
from attridex.indexer.building.ranges import RangeResults
from attridex.indexer.config import Config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.batches import with_files
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.index.arrays import read_array
from attridex.indexer.index.directory import read_current
from attridex.indexer.index.layout import CSR_INDPTR, version_dir
from attridex.indexer.signing.signer import Signer
from attridex.v1.requests import Query

APPENDS, SHARE, ASKED = 10, 100, 40
KEEP = 0.5
"""Of the largest score: a random model's instances then keep about as many neurons as a trained one's do at the default of 0.1
(75, tests/recipes/chats.toml); at that they would keep a third of all, and what grows would be little else."""
SECTIONS = {"gradients": {"curvature": ["fisher"]}, "neurons": {"rule": "gradient", "keep": KEEP}}


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def sign(signer: Signer, config: Config) -> None:
    """Sign the records of a file, and keep nothing."""
    plan: Plan = make_plan(config, survey_corpus(config), signer)
    instances = [instance for _, instance in rendered(config.corpus, signer.renderer, labels_needed=True)]
    RangeResults(signer, plan, len(instances)).sign(instances, lambda _count: None)


def asking(grown: Path, fresh: Path) -> dict[str, float]:
    """Median seconds of a search on each index, asked in turns."""
    found: dict[str, list[float]] = {"grown": [], "fresh": []}
    with Client.local(grown) as first, Client.local(fresh) as second:
        for number in range(ASKED):
            for name, client in (("grown", first), ("fresh", second)):
                query = [Query.instance(f"t{number}")]
                found[name].append(seconds(lambda client=client, query=query: client.attribute_instances(query, k=10)))
    return {name: statistics.median(values[ASKED // 4 :]) for name, values in found.items()}


def kept(index: Path) -> float:
    """Neurons that an instance keeps, on average."""
    rows = read_array(version_dir(index, read_current(index)) / CSR_INDPTR)
    return float(rows[-1]) / (len(rows) - 1)


def run(
    out: Annotated[Path, typer.Argument(help="JSON file with the figures.")],
    instances: Annotated[int, typer.Option(help="Of the first build.")] = 500,
    opt_125m: Annotated[bool, typer.Option(help="A model of OPT-125m's size; else a small one.")] = False,
    fresh: Annotated[bool, typer.Option(help="Build everything afresh as well, and compare the queries.")] = True,
) -> None:
    """Measure, and write what was found."""
    part = max(1, instances // SHARE)
    rows = texts(instances + APPENDS * part, 10, 31)
    with scene(OPT_125M if opt_125m else SMALL, rows) as place:
        lines = (place / "train.jsonl").read_text().splitlines(keepends=True)
        config = configuration(place, **SECTIONS)
        built = {"fresh_build_seconds": seconds(lambda: build(config, place / "fresh", show_progress=False))} if fresh else {}
        (place / "train.jsonl").write_text("".join(lines[:instances]))
        build(config, place / "grown", show_progress=False)
        appender, signer, appended, signed = Appender(place / "grown"), Signer.load(config), list[float](), list[float]()
        for number in range(APPENDS):
            more = place / f"more{number}.jsonl"
            more.write_text("".join(lines[instances + number * part : instances + (number + 1) * part]))
            signed.append(seconds(lambda more=more: sign(signer, with_files(config, [more], skip_bad=False))))
            appended.append(seconds(lambda more=more: appender.append([more])))
        asked = asking(place / "grown", place / "fresh") if fresh else {}
        figures = {
            "instances": instances, "appended": APPENDS * part, "model": "opt-125m" if opt_125m else "small",
            "sign_seconds": sum(signed), "append_seconds": sum(appended), "appends_over_signing": sum(appended) / sum(signed),
            "neurons_an_instance": kept(place / "grown"), "refresh_seconds": seconds(lambda: refresh(place / "grown")), **built,
        }  # fmt: skip
        if asked:
            figures |= {"query_seconds": asked, "query_grown_over_fresh": asked["grown"] / asked["fresh"]}
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    typer.echo(json.dumps(figures))
