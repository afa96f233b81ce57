"""Clients of others, as docs/how-to/any-language.md has them, each in a clean environment, over TLS and with a token.

make demo
python -m tests.recipes.strangers attridex-demo/index

Needs openssl, node and npm; pip and npm fetch what the page names, nothing of attridex.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/any-language.md"
FILE = re.compile(r"`([\w.-]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
TOKEN = "a-token-of-32-letters-for-a-test"
TOKENS = f"query stranger {TOKEN}\n"
START = 60.0
"""Seconds until the server listens, at most."""


def section(name: str) -> list[str]:
    """Commands of a section of the page."""
    return COMMAND.findall(PAGE.read_text().partition(f"\n## {name}")[2].partition("\n## ")[0])


def write_files(out: Path) -> None:
    """The page's programs, the contract, and the tokens."""
    for name, content in FILE.findall(PAGE.read_text()):
        (out / name).write_text(content)
    (out / "protos").symlink_to(ROOT / "protos")
    (out / "tokens.txt").write_text(TOKENS)
    (out / "tokens.txt").chmod(0o600)


def sh(command: str, out: Path, first: Path | None = None) -> list[str]:
    """Run a command of the page; the lines that it prints."""
    path = f"{first}:{os.environ['PATH']}" if first else os.environ["PATH"]
    env = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "ATTRIDEX_TOKEN": TOKEN}
    line = command.removeprefix("ATTRIDEX_TOKEN=... ")
    ran = subprocess.run(line, shell=True, cwd=out, env=env, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{command}: {ran.stderr.strip()[-500:]}")
    return ran.stdout.splitlines()


@contextmanager
def serving(index: Path, out: Path) -> Iterator[None]:
    """The server as the page starts it."""
    certificate, command = section("The server")
    sh(certificate, out)
    arguments = command.replace("attridex-demo/index", str(index.resolve())).split()[1:]
    program = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
    server = subprocess.Popen([*program, *arguments], cwd=out, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(server)
        yield
    finally:
        server.terminate()
        server.wait()


def wait_for(server: "subprocess.Popen[str]") -> None:
    """Until it says that it listens."""
    end = time.monotonic() + START
    assert server.stderr
    while time.monotonic() < end:
        line = server.stderr.readline()
        if "listening" in line:
            return
        if not line and server.poll() is not None:
            break
    raise SystemExit("the server did not start")


def compared(answers: Sequence[list[str]]) -> None:
    """The same from everyone, but for spaces."""
    plain = [[line.replace(" ", "").replace(":1.0,", ":1,") for line in lines] for lines in answers]
    if len({tuple(lines) for lines in plain}) != 1 or len(plain[0]) != 4:
        raise SystemExit(f"answers differ: {plain}")


def main(index: Annotated[Path, typer.Argument(help="An index with an instance train-7, as the demo's.")]) -> None:
    """Ask as the page says, in both languages, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_files(out)
        venv.create(out / "venv", with_pip=True)
        with serving(index, out):
            answers = [[sh(command, out, out / "venv/bin") for command in section(name)][-1] for name in ("Python", "JavaScript")]
        compared(answers)
    for line in answers[0]:
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
