"""Every file of an index, damaged under a running server: right answers or DATA_LOSS and NOT_SERVING, never other answers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attridex.client import Client, Query
from attridex.client.errors import ClientError, DataLossError
from attridex.client.serving import COMMAND, address_of
from attridex.indexer.index.layout import LOCK
from attridex.indexer.lifecycle.deleting import delete_ids
from attridex.indexer.lifecycle.migration import migrate
from attridex.indexer.renewal.compaction import compact
from attridex.service.storage.held_shards import UNREAD

OLD = Path(__file__).parents[1] / "fixtures" / "index_5f8e7b1"
ASKED = [Query.instance("t7", id="q")]
SECONDS = 120.0
"""How long a server may take to find what was damaged."""
CLEAN = "clean"
Ask = Callable[[Client], Any]
QUESTIONS: Mapping[str, Ask] = {
    **{
        method: lambda client, method=method: client.attribute_instances(ASKED, k=5, method=method)
        for method in ("grad-cos", "grad-dot", "rep-sim", "bm25", "tracin")
    },
    "influence": lambda client: client.attribute_instances(ASKED, k=5, method="influence", curvature="fisher"),
    "approximate": lambda client: client.attribute_instances(ASKED, k=5, method="grad-cos", approximate="sq8"),
    "dcns": lambda client: client.find_instances_by_neurons(ASKED, k=5),
    "activation": lambda client: client.find_instances_by_neurons(ASKED, k=5, similarity="activation"),
    "attribution": lambda client: client.find_instances_by_neurons(ASKED, k=5, similarity="attribution"),
    "neurons": lambda client: client.attribute_neurons(ASKED, r=5),
    "neurons by instances": lambda client: client.find_neurons_by_instances(ASKED),
    "instances": lambda client: client.get_instances(["t7"]),
    "listing": lambda client: list(client.list_instances(where="loss > 0.5")),
}


def flip(path: Path) -> None:
    """One bit in the middle, in place."""
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))


def cut(path: Path) -> None:
    """The first half stays."""
    os.truncate(path, path.stat().st_size // 2)


def zero(path: Path) -> None:
    """Zeros in place, as many bytes."""
    with path.open("r+b") as stream:
        stream.write(bytes(path.stat().st_size))


def replace(path: Path) -> None:
    """Another file with as many zeros takes its place."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(bytes(path.stat().st_size))
    beside.replace(path)


DAMAGE: Mapping[str, Callable[[Path], None]] = {
    "flipped": flip, "truncated": cut, "removed": Path.unlink, "replaced": replace, "zeroed in place": zero,
}  # fmt: skip


class Case(NamedTuple):
    """A file of an index, what is done to it, and whether everything was asked before."""

    file: str
    how: str
    used: bool


def made(directory: Path) -> Path:
    """An index with every kind of file, deletes, and all of it in today's format."""
    index = Path(shutil.copytree(OLD, directory / "whole"))
    migrate(index)
    delete_ids(index, ["t3"])
    compact(index)
    delete_ids(index, ["t4"])
    return index


def files_of(index: Path) -> list[str]:
    """Its files but the lock."""
    return sorted(str(path.relative_to(index)) for path in index.rglob("*") if path.is_file() and path.name != LOCK)


def answers(client: Client) -> dict[str, str]:
    """What a server says to every question; "DATA_LOSS" where it refuses, the error's name and words where it is another one."""
    found = {}
    for name, ask in QUESTIONS.items():
        try:
            found[name] = without_time(ask(client))
        except DataLossError:
            found[name] = "DATA_LOSS"
        except ClientError as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def without_time(answer: Any) -> str:
    """An answer in words, without what differs from call to call."""
    for name in ("results", "instances"):
        if hasattr(answer, name):
            return repr(getattr(answer, name))
    return repr(answer)


@contextmanager
def served(indices: Mapping[str, Path]) -> Iterator[str]:
    """One server of many indices; gives its address."""
    command = [*COMMAND, *(f"{name}={path}" for name, path in indices.items()), "--listen", "127.0.0.1:0", "--no-model"]
    process = subprocess.Popen([*command, "--watch", "0.2"], stderr=subprocess.PIPE, text=True)
    try:
        yield address_of(process.stderr)
        if process.poll() is not None:
            raise SystemExit(f"the server ended: {process.returncode}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def serving(client: Client, name: str) -> bool:
    """Whether Health says that an index is served."""
    stub: Any = health_pb2_grpc.HealthStub(client._channel)
    request = health_pb2.HealthCheckRequest(service=f"attridex.v1.AttributionService/{name}")
    return bool(stub.Check(request, timeout=60).status == health_pb2.HealthCheckResponse.SERVING)


def is_read(file: str) -> bool:
    """Whether a server answers from a file, or only looked at it when it was opened."""
    return not any(name in file for name in ("plan.json", "CURRENT", "deletes.", "manifest.copy", *UNREAD))


def run_cases(base: Path, cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """Answers of every case that are neither right nor a refusal, and what is served although it is damaged; none should be.

    Args:
        base: the index, as `made` makes it.
        cases: what is damaged, each in a copy.
    """
    with tempfile.TemporaryDirectory(prefix="files-") as place:
        names = {f"case{number}": case for number, case in enumerate(cases)}
        indices = {name: Path(shutil.copytree(base, Path(place) / name)) for name in (CLEAN, *names)}
        with served(indices) as address:
            clients = {name: Client(address, index=name, timeout=300.0) for name in indices}
            right = answers(clients[CLEAN])
            refused = {name: answer for name, answer in right.items() if answer == "DATA_LOSS" or "Error: " in answer[:40]}
            if refused:
                raise SystemExit(f"a whole index refuses: {refused}")
            for name, case in names.items():
                if case.used:
                    answers(clients[name])
                DAMAGE[case.how](indices[name] / case.file)
            wrong = {name: differing(right, answers(clients[name])) for name in names}
            until_found(clients, [name for name, case in names.items() if is_read(case.file)])
            for name, case in names.items():
                wrong[name] |= differing(right, answers(clients[name]))
                if is_read(case.file) and serving(clients[name], name):
                    wrong[name]["health"] = "SERVING"
            wrong[CLEAN] = differing(right, answers(clients[CLEAN]))
            for client in clients.values():
                client.close()
        return {" ".join(map(str, names.get(name, (CLEAN,)))): found for name, found in wrong.items() if found}


def differing(right: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Answers that are neither right nor a refusal."""
    return {name: answer for name, answer in found.items() if answer not in (right[name], "DATA_LOSS")}


def until_found(clients: Mapping[str, Client], names: Sequence[str]) -> None:
    """Wait until none of them is served any more, a bounded time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and any(serving(clients[name], name) for name in names):
        time.sleep(0.2)


def run(out: Path, every: int = 1) -> None:
    """Damage every file in every way, before and after its first use; `every` nth of the cases."""
    found: dict[str, Any] = {"cases": 0, "by_damage": Counter(), "wrong": {}}
    with tempfile.TemporaryDirectory(prefix="files-") as place:
        base = made(Path(place))
        cases = [Case(file, how, used) for used in (False, True) for how in DAMAGE for file in files_of(base)][::every]
        for start in range(0, len(cases), 40):
            part = cases[start : start + 40]
            found["wrong"] |= run_cases(base, part)
            found["cases"] += len(part)
            found["by_damage"].update(case.how for case in part)
            typer.echo(f"{found['cases']} of {len(cases)}, wrong: {len(found['wrong'])}")
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps({**found, "questions": len(QUESTIONS), "of": len(cases)}, indent=1) + "\n")
    sys.exit(bool(found["wrong"]))
