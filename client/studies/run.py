"""Running studies: in their order, each written when it is done, so that a killed run goes on where it was."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from attridex.client.errors import UsageError
from attridex.client.files import alone
from attridex.client.studies.base import Study
from attridex.client.studies.registry import studies
from attridex.client.workbench.context import Context, NotPossibleError, fingerprint
from attridex.client.workbench.fitness import fit_facts
from attridex.client.workbench.methods import chosen
from attridex.client.workbench.results import (
    RESULT,
    StudiedIndex,
    StudiedRun,
    StudyResult,
    read_result,
    versions,
    write_findings,
    write_json,
)
from attridex.client.workbench.settings import Common, Settings
from attridex.indexer.task_kinds import MANY_ANSWERS

RUN = "run.json"


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
        BusyError: another run writes there.
    """
    known = studies()
    check_common(context)
    for name in names:
        known[name].check(context, settings.of(name, known[name].settings))
    about = described_run(context)
    if context.out.exists() and not context.out.is_dir():
        raise UsageError(f"{context.out}: a file; --out is a directory")
    context.out.mkdir(parents=True, exist_ok=True)
    with alone(context.out, "running studies into it"):
        bind_run(context.out, about)
        return run_each(names, context, settings, about, skip=skip)


def run_each(names: Sequence[str], context: Context, settings: Settings, about: StudiedRun, *, skip: bool) -> dict[str, str]:
    """Run studies one after the other.

    Args:
        names: which, in this order.
        context: the run.
        settings: of the run and of each study.
        about: what every result says of the run.
        skip: whether a study that cannot be run on this index is left out instead of ending the run.
    """
    known, left_out = studies(), dict[str, str]()
    for at, name in enumerate(names, 1):
        if len(names) > 1:
            context.say(f"study {at} of {len(names)}: {name}")
        try:
            run_study(known[name], context, settings.of(name, known[name].settings), about)
        except NotPossibleError as error:
            if not skip:
                raise
            left_out[name] = str(error)
    return left_out


def check_common(context: Context) -> None:
    """Refuse methods that the index cannot answer, and labels that its model does not have, before any work."""
    chosen(context.common.methods, context.index)
    for gold, outputs in context.common.same.items():
        if unknown := sorted({*outputs} - {*context.index.labels}):
            raise UsageError(
                f"same: '{gold}' stands for '{unknown[0]}'; the model's labels are {', '.join(context.index.labels)}"
            )


OF_ONE_ANSWER = ("faithfulness", "artefacts", "evidence", "mislabel", "finetune-subsets")
"""Studies that ask whether an answer is right, or stays as it is."""


def check_answers(study: str, task: str) -> None:
    """Refuse a study of right and wrong answers for a task whose answer is a number, or several labels.

    Raises:
        NotPossibleError: it is one.
    """
    if study in OF_ONE_ANSWER and task in MANY_ANSWERS:
        raise NotPossibleError(f"[{study}]: asks whether one answer is right; a {task} model gives numbers or several labels")


def run_study(study: Study[Any], context: Context, settings: Any, about: StudiedRun) -> None:
    """Run one study and write its results; one that is done with the same settings is not run again.

    Args:
        study: which.
        context: the run.
        settings: of the study.
        about: what the result says of the run.
    """
    check_answers(study.name, context.index.task)
    directory, config = context.out / study.name, as_json(asdict(settings))
    if (known := read_result(directory)) is not None:
        if known.config != config:
            raise UsageError(f"{directory / RESULT}: done with other settings; remove {directory} or choose another --out")
        context.say(f"{study.name}: done already")
        return
    first = first_begun(context, study.name)
    start = time.perf_counter()
    found = study.run(context, settings)
    seconds = time.perf_counter() - start
    result = StudyResult(
        study=study.name, title=study.title, config=config, seed=about.seed, limit=about.limit, common=about.common,
        queries=about.queries, index=about.index, versions=versions(),
        times={"began": first.began, "ended": utc_now(), "resumed": first.resumed, "seconds": round(seconds, 1)},
        tables=found.tables, methods=found.methods, notes=found.notes, facts={**fit_facts(context.index.manifest), **found.facts},
        method_details=context.index.method_details,
    )  # fmt: skip
    write_findings(directory, found, result)
    context.say(f"{study.name}: done in {timedelta(seconds=round(seconds))}")


class Begun(NamedTuple):
    """When a study was begun, and whether an earlier run did that: seconds are then of the rest of the work."""

    began: str
    resumed: bool


def first_begun(context: Context, name: str) -> Begun:
    """Keep when a study is first begun."""
    mark = context.work(f"{name}.begun.json")
    resumed = mark.exists()
    if not resumed:
        write_json(mark, utc_now())
    return Begun(str(json.loads(mark.read_text(encoding="utf-8"))), resumed)


def utc_now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def described_run(context: Context) -> StudiedRun:
    """What a result must say of its run: index, seed, settings, queries; no paths of this machine."""
    index, manifest = context.index, context.index.manifest
    return StudiedRun(
        seed=context.seed,
        limit=context.limit,
        common=shared_settings(context.common),
        queries=fingerprint([[query.record, query.gold] for query in context.queries]),
        index=StudiedIndex(
            version=index.version, instances=index.instances, task=index.task, labels=list(index.labels),
            model=Path(manifest["model"]["path"]).name, model_hash=manifest["model"]["hash"],
            corpus=manifest["corpus"]["fingerprint"], layers=index.layers, units=index.units, site=index.site,
            text_fields=list(manifest["corpus"]["text_fields"]),
            gradients=manifest["config"]["gradients"], neurons=manifest["config"]["neurons"],
        ),
    )  # fmt: skip


def shared_settings(common: Common) -> dict[str, Any]:
    """What all studies share, as JSON; a single training seed, which older runs had, is not told."""
    found: dict[str, Any] = as_json(asdict(common))
    if common.seeds == Common().seeds:
        del found["seeds"]
    return found


def bind_run(out: Path, about: StudiedRun) -> None:
    """Refuse a directory that holds another run's results or work; one that was refused before any work is bound anew."""
    known = out / RUN
    if not known.exists() or not has_work(out):
        write_json(known, asdict(about))
        return
    if json.loads(known.read_text(encoding="utf-8")) != as_json(asdict(about)):
        raise UsageError(f"{out}: holds results of other queries, settings, seed or index version; choose another --out")


def has_work(out: Path) -> bool:
    """Whether a directory holds a result, an answer, a score or a model."""
    marks = (*out.glob(f"*/{RESULT}"), *(out / "work").rglob("*"))
    return any(path.is_file() and path.stat().st_size and not path.name.endswith((".job", ".begun.json")) for path in marks)


def as_json(content: Any) -> Any:
    """Content as JSON gives it back."""
    return json.loads(json.dumps(content))
