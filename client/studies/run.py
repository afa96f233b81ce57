"""Running studies: in their order, each written when it is done, so that a killed run goes on where it was."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from attridex.client.errors import UsageError
from attridex.client.studies import (
    agreement,
    artefacts,
    diversity,
    evidence,
    faithfulness,
    finetune_subsets,
    lds,
    mislabel,
    overlap,
)
from attridex.client.workbench.context import Context, NotPossibleError, fingerprint
from attridex.client.workbench.methods import chosen
from attridex.client.workbench.results import RESULT, read_result, versions, write_json, write_results
from attridex.client.workbench.settings import Settings

STUDIES: dict[str, ModuleType] = {
    study.NAME: study
    for study in (evidence, faithfulness, overlap, diversity, agreement, artefacts, lds, mislabel, finetune_subsets)
}
"""Each has NAME, TITLE, Config and run(context, config)."""
RUN = "run.json"


def configs() -> dict[str, type[Any]]:
    """The settings of each study."""
    return {name: study.Config for name, study in STUDIES.items()}


def run_studies(names: Sequence[str], context: Context, settings: Settings, *, skip: bool) -> dict[str, str]:
    """Run studies that are not done yet.

    Args:
        names: which, in this order.
        context: the run.
        settings: of the run and of each study.
        skip: whether a study that cannot be run on this index is left out instead of ending the run.

    Returns:
        For each study left out, why.

    Raises:
        UsageError: the directory was begun with other settings, or a study cannot be run (unless `skip`).
    """
    check_settings(names, context, settings)
    about = described(context)
    bind_run(context.out, about)
    left_out = {}
    for at, name in enumerate(names, 1):
        if len(names) > 1:
            context.say(f"study {at} of {len(names)}: {name}")
        config = settings.of(name, STUDIES[name].Config)
        try:
            run_study(STUDIES[name], context, config, about)
        except NotPossibleError as error:
            if not skip:
                raise
            left_out[name] = str(error)
    return left_out


def check_settings(names: Sequence[str], context: Context, settings: Settings) -> None:
    """Refuse methods that the index cannot answer, and labels that its model does not have, before any work."""
    chosen(context.common.methods, context.index)
    for gold, outputs in context.common.same.items():
        if unknown := sorted({*outputs} - {*context.index.labels}):
            raise UsageError(
                f"same: '{gold}' stands for '{unknown[0]}'; the model's labels are {', '.join(context.index.labels)}"
            )
    if finetune_subsets.NAME in names:
        chosen(settings.of(finetune_subsets.NAME, finetune_subsets.Config).methods, context.index)


def run_study(study: ModuleType, context: Context, config: Any, about: Mapping[str, Any]) -> None:
    """Run one study and write its results; one that is done with the same settings is not run again."""
    directory = context.out / study.NAME
    known, own = read_result(directory), {"study": study.NAME, "title": study.TITLE, "config": plain(asdict(config)), **about}
    if known is not None:
        if known["config"] != own["config"]:
            raise UsageError(f"{directory / RESULT}: done with other settings; remove {directory} or choose another --out")
        context.say(f"{study.NAME}: done already")
        return
    began, resumed = first_begun(context, study.NAME)
    start = time.perf_counter()
    results = study.run(context, config)
    seconds = time.perf_counter() - start
    times = {"began": began, "ended": now(), "resumed": resumed, "seconds": round(seconds, 1)}
    write_results(directory, results, {**own, "versions": versions(), "times": times})
    context.say(f"{study.NAME}: done in {timedelta(seconds=round(seconds))}")


def first_begun(context: Context, name: str) -> tuple[str, bool]:
    """When a study was begun, and whether an earlier run did that: seconds are then of the rest of the work."""
    mark = context.work(f"{name}.begun.json")
    resumed = mark.exists()
    if not resumed:
        write_json(mark, now())
    return str(json.loads(mark.read_text(encoding="utf-8"))), resumed


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def described(context: Context) -> dict[str, Any]:
    """What a result must say of its run: index, seed, settings, queries; no paths of this machine."""
    manifest = context.index.manifest
    return {
        "seed": context.seed,
        "limit": context.limit,
        "common": plain(asdict(context.common)),
        "queries": fingerprint([[query.record, query.gold] for query in context.queries]),
        "index": {
            "version": context.index.version,
            "instances": context.index.instances,
            "task": context.index.task,
            "labels": list(context.index.labels),
            "model": Path(manifest["model"]["path"]).name,
            "model_hash": manifest["model"]["hash"],
            "corpus": manifest["corpus"]["fingerprint"],
            "layers": context.index.layers,
            "units": context.index.units,
            "site": context.index.site,
            "text_fields": list(manifest["corpus"]["text_fields"]),
            "gradients": manifest["config"]["gradients"],
            "neurons": manifest["config"]["neurons"],
        },
    }


def bind_run(out: Path, about: Mapping[str, Any]) -> None:
    """Refuse a directory that holds another run's results or work; one that was refused before any work is bound anew."""
    known = out / RUN
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: a file; --out is a directory")
    if not known.exists() or not begun(out):
        write_json(known, about)
        return
    if json.loads(known.read_text(encoding="utf-8")) != plain(about):
        raise UsageError(f"{out}: holds results of other queries, settings, seed or index version; choose another --out")


def begun(out: Path) -> bool:
    """Whether a directory holds a result, an answer, a score or a model."""
    marks = (*out.glob(f"*/{RESULT}"), *(out / "work").rglob("*"))
    return any(path.is_file() and path.stat().st_size and not path.name.endswith((".job", ".begun.json")) for path in marks)


def plain(content: Any) -> Any:
    """Content as JSON gives it back."""
    return json.loads(json.dumps(content))
