"""A real S3 protocol server on loopback, and an index root in it."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.remote.changing import changing
from attridex.indexer.remote.objects import Objects

BUCKET = "bucket"
SERVER = """
import threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
threading.Event().wait()
"""
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-of-nobody", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The server's address; it has one bucket."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().strip()
            urllib.request.urlopen(urllib.request.Request(f"{address}/{BUCKET}", method="PUT")).close()
            yield address
        finally:
            process.kill()


@pytest.fixture
def root(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL of its own for each test, with nothing below it; the cache is the test's own, too."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": s3, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    use_cache(tmp_path, "here", monkeypatch)
    return f"s3://{BUCKET}/{tmp_path.name}/index"


def use_cache(directory: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """From now on this process is another machine: it has another cache, which is given back."""
    monkeypatch.setenv("ATTRIDEX_CACHE", str(directory / "caches" / machine))
    return directory / "caches" / machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes this process another machine; see `use_cache`."""
    return lambda name: use_cache(tmp_path, name, monkeypatch)


def contents(root: str) -> dict[str, bytes]:
    """Everything that the store holds below a URL."""
    objects = Objects(root)
    return {each.name: objects.read(each.name) for under in ("heads", "objects") for each in objects.listed(under)}


def newest(root: str) -> dict[str, Any]:
    """The newest head."""
    found: dict[str, Any] = json.loads(Objects(root).read(Objects(root).listed("heads")[-1].name))
    return found


@pytest.fixture
def small(indexed: Callable[..., Path]) -> Path:
    """A directory with an index of few files, and what it was built from."""
    return indexed(index={"shard_rows": 20}, neurons={"enabled": False})


@pytest.fixture
def published(root: str, small: Path) -> str:
    """A root with an index that was built elsewhere."""
    return publish(root, small)


@pytest.fixture
def shared(tmp_path: Path, small: Path, machine: Callable[[str], Path]) -> str:
    """The same on a shared disk, which costs less time."""
    machine("here")
    return publish(f"file://{tmp_path}/shared/index", small)


def publish(root: str, built: Path) -> str:
    """Publish a built index; its root is given back."""
    with changing(root) as directory:
        shutil.copytree(built / "index", directory)
    return root


def killed_at(point: str, command: list[str]) -> None:
    """Run a command in a process that is killed at its first write of an object or a head, or before it notes a new head."""
    code = f"""
import os, signal
from attridex.client.commands.app import main
from attridex.indexer.remote.cache import Cache
from attridex.indexer.remote.changing import changing
from attridex.indexer.remote.objects import Objects

def kill(*_): os.kill(os.getpid(), signal.SIGKILL)
point = {point!r}
if point == "objects":
    write = Objects.write
    Objects.write = lambda self, *given: (write(self, *given), kill())
elif point == "heads":
    Objects.create = kill
else:
    create = Objects.create
    Objects.create = lambda self, *given: (create(self, *given), kill())
main({command!r})
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
