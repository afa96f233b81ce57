"""What stands in deploy/ and on the page of operations is what the command and the server have."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from attridex.client.commands.app import make_app
from attridex.service.operations.metrics import Metrics

ROOT = Path(__file__).parent.parent
UNIT, CONTAINER, KUBERNETES = (ROOT / "deploy" / name for name in ("attridex.service", "Containerfile", "kubernetes.yaml"))
PAGE = (ROOT / "docs" / "operations.md").read_text()


def serve_options() -> set[str]:
    command: Any = typer.main.get_command(make_app()).commands["serve"]  # type: ignore[attr-defined]
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def container() -> dict[str, Any]:
    deployment, _ = yaml.safe_load_all(KUBERNETES.read_text())
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def arguments(path: Path) -> list[str]:
    """What a file starts the server with."""
    if path == KUBERNETES:
        return [str(each) for each in container()["args"]]
    if path == UNIT:
        joined = path.read_text().replace("\\\n", " ")
        return shlex.split(re.findall(r"^ExecStart=(.*)$", joined, re.MULTILINE)[0])
    joined = path.read_text().replace("\\\n", " ")
    return [str(each) for each in yaml.safe_load(re.findall(r"^CMD (\[.*\])$", joined, re.MULTILINE)[0])]


@pytest.mark.parametrize("path", [UNIT, CONTAINER, KUBERNETES], ids=lambda path: path.name)
def test_only_options_that_there_are_are_given(path: Path) -> None:
    given = {each.partition("=")[0] for each in arguments(path) if each.startswith("--")}
    assert given
    assert given <= serve_options()


def test_the_image_copies_all_that_the_package_is_made_of() -> None:
    packages = {
        path.split("/")[0]
        for path in re.findall(r'^"attridex\.\w+" = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    }
    assert {f"COPY {name} {name}" for name in packages} <= set(CONTAINER.read_text().splitlines())


def test_probes_ask_pages_of_the_port_that_is_given() -> None:
    found = container()
    ports = {each["name"]: each["containerPort"] for each in found["ports"]}
    assert f"--operations=0.0.0.0:{ports['operations']}" in found["args"]
    assert f"--listen=0.0.0.0:{ports['grpc']}" in found["args"]
    for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert (found[probe]["httpGet"]["path"], found[probe]["httpGet"]["port"]) == (path, "operations")
    assert f":{ports['operations']}/healthz" in CONTAINER.read_text()


@pytest.mark.parametrize(("path", "name"), [(UNIT, "TimeoutStopSec="), (KUBERNETES, "terminationGracePeriodSeconds: ")])
def test_whoever_ends_the_server_waits_for_longer_than_it_drains(path: Path, name: str) -> None:
    drained = re.search(r"--grace[= ](\d+)", path.read_text())
    waited = re.search(rf"{name}(\d+)", path.read_text())
    assert drained
    assert waited
    assert int(waited[1]) > int(drained[1])


def test_every_metric_is_on_the_page_and_every_one_on_the_page_is_there() -> None:
    metrics = Metrics()
    metrics.watch(list, list)
    metrics.watch_replicas(dict)
    page = metrics.page("")[1].decode()
    there = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    told = set(re.findall(r"attridex_[a-z_]+", PAGE))
    assert {name for name in there if name.startswith("attridex_")} == told
    assert set(re.findall(r"process_[a-z_]+", PAGE)) <= there


def test_every_option_of_operations_is_on_the_page() -> None:
    given = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert {"--operations", "--audit", "--traces", "--log-format", "--log-level"} <= given <= serve_options()


def test_the_unit_lets_the_server_write_to_what_it_serves_and_to_its_audit() -> None:
    unit, given = UNIT.read_text(), arguments(UNIT)
    writable = [Path(each) for line in re.findall(r"^ReadWritePaths=(.*)$", unit, re.MULTILINE) for each in line.split()]
    logs = [Path("/var/log") / each for each in re.findall(r"^LogsDirectory=(.*)$", unit, re.MULTILINE)]
    assert Path(given[given.index("serve") + 1]) in writable
    assert Path(given[given.index("--audit") + 1]).parent in logs
