"""Groups of options stand for their fields, in the order that help shows."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from attridex.client.commands.options import ScoringOptions, read_settings, with_options
from attridex.client.errors import UsageError
from attridex.v1.requests import METHODS, Scoring


@dataclass(frozen=True)
class Group:
    """Two options, one of which stands last."""

    first: Annotated[int, typer.Option("--first")] = 1
    _: KW_ONLY
    last: Annotated[str, typer.Option("--last")] = "z"


def run(*arguments: str) -> Any:
    found = []
    app = typer.Typer()

    @app.command()
    @with_options
    def command(group: Group, own: Annotated[bool, typer.Option("--own")] = False) -> None:
        """Say what it was given."""
        found.append((group, own))

    ran = CliRunner().invoke(app, arguments)
    return found[0] if found else ran


def test_a_command_is_given_its_group() -> None:
    assert run() == (Group(), False)
    assert run("--last", "a", "--own", "--first", "2") == (Group(2, last="a"), True)
    assert run("--first", "x").exit_code == 2


def test_keyword_only_fields_stand_behind_the_command_s_own_options() -> None:
    shown = run("--help").output
    assert "Say what it was given." in shown
    assert sorted(("--first", "--own", "--last"), key=shown.index) == ["--first", "--own", "--last"]


def test_options_of_a_method_are_its_scoring() -> None:
    assert ScoringOptions().scoring() == Scoring()
    given = ScoringOptions("influence", "fisher", 0.5, 2.0, 9, 1, "auto", ["a=0.10", "b=x=y"])
    assert given.scoring() == Scoring("influence", "fisher", 0.5, 2.0, 9, 1, {"a": "0.10", "b": "x=y"}, exact=False)


def test_a_job_begun_before_there_were_own_settings_is_bound_as_it_was() -> None:
    names = ["method", "curvature", "damping", "lissa_scale", "lissa_depth", "seed", "approximate"]
    assert list(ScoringOptions().asked()) == names
    assert ScoringOptions(settings=["a=1"]).asked()["settings"] == ["a=1"]


@pytest.mark.parametrize("text", ["", "a", "=1"])
def test_a_setting_has_a_name_and_a_value(text: str) -> None:
    with pytest.raises(UsageError, match=f"--set {text}: write NAME=VALUE"):
        read_settings(["good=1", text])


@pytest.mark.parametrize("command", ["ia", "ia-neurons"])
def test_help_names_the_methods_and_where_others_stand(command: str, attridex: Any) -> None:
    shown = " ".join(attridex("query", command, "--help").out.replace("│", " ").split())
    assert ", ".join(METHODS) in shown
    assert "attridex info INDEX" in shown


def test_a_setting_is_given_once_and_each_by_itself() -> None:
    assert read_settings(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    with pytest.raises(UsageError, match="--set a=2: 'a' is set to '1' already"):
        read_settings(["a=1", "a=2"])
    with pytest.raises(UsageError, match="--set a: write NAME=VALUE"):
        read_settings(["a", "a=3"])
    with pytest.raises(UsageError, match="settings: 'curvature' is an argument of its own"):
        ScoringOptions(method="influence", curvature="hessian", settings=["curvature=fisher"]).scoring()
