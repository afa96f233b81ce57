"""The command: what it is composed of, and how it ends."""

import os
from typing import Any

import pytest

from attridex.client.commands import app
from attridex.client.errors import MissingPackageError, UsageError

COMMANDS = [
    "demo", "build", "plan", "show", "info", "append", "update", "refresh", "add-columns", "add-curvature", "snapshot", "restore",
    "neurons", "finetune", "verify", "versions", "activate", "delete", "undelete", "compact", "prune", "repair", "migrate",
    "serve", "predict", "study", "report", "bench",
]  # fmt: skip


def named() -> list[str]:
    made = app.make_app()
    return [str(command.name or getattr(command.callback, "__name__", "")) for command in made.registered_commands]


def test_commands_stand_in_the_order_of_the_way_of_the_data() -> None:
    assert named() == COMMANDS
    assert [group.name for group in app.make_app().registered_groups] == ["query"]


def test_what_needs_local_packages_is_a_command() -> None:
    assert set(app.LOCAL) <= set(COMMANDS)


def end(monkeypatch: pytest.MonkeyPatch, error: BaseException, *arguments: str) -> int:
    def fail() -> Any:
        raise error

    monkeypatch.setattr(app, "make_app", fail)
    with pytest.raises(SystemExit) as ended:
        app.main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("wrong"), 2, "error: wrong\n"),
        (MissingPackageError("absent"), 1, "error: absent\n"),
        (ModuleNotFoundError("no", name="torch"), 1, "error: this needs 'torch': pip install 'attridex[indexer]'\n"),
        (KeyboardInterrupt(), 130, "stopped; run the same command again to go on\n"),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_errors_are_one_line_and_a_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(monkeypatch, error) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("given", [("query", "ia", "--queries", "a", "--queries=b"), ("build", "c", "--out", "a", "--out", "b")])
def test_an_option_of_one_value_is_not_given_twice(given: tuple[str, ...], attridex: Any) -> None:
    ran = attridex(*given)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "is given twice; it takes one value" in ran.err


def test_a_fault_of_its_own_and_debug_show_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        end(monkeypatch, ZeroDivisionError())
    with pytest.raises(UsageError):
        end(monkeypatch, UsageError("wrong"), "--debug")


@pytest.mark.parametrize("number", sorted(app.REFUSED))
def test_a_file_that_the_system_refuses_is_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(monkeypatch, OSError(number, os.strerror(number), "/shut/index")) == 1
    assert capsys.readouterr().err == f"error: /shut/index: {os.strerror(number)}\n"
    with pytest.raises(OSError, match="/shut/index"):
        end(monkeypatch, OSError(number, os.strerror(number), "/shut/index"), "--debug")


def test_the_version_is_that_of_the_package(attridex: Any) -> None:
    assert attridex("--version").out.startswith("attridex 0.")
