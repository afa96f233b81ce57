"""A token goes with each call, over what nobody else reads, and comes from where nobody else looks."""

from pathlib import Path

import pytest

from attridex.client.channel import Tls, bearer, given_token
from attridex.client.client import Client
from attridex.client.errors import UsageError
from attridex.v1.addresses import is_local

TOKEN = "a-token-of-some-twenty-letters"


@pytest.mark.parametrize(
    "target", ["127.0.0.1:1", "localhost:1", "[::1]:1", "dns:///localhost:1", "unix:/tmp/x", "ipv4:127.0.0.1:1"]
)
def test_on_this_machine_a_token_needs_no_tls(target: str) -> None:
    assert is_local(target)
    assert bearer(TOKEN, target, None) == (("authorization", f"Bearer {TOKEN}"),)


@pytest.mark.parametrize(
    "target",
    ["10.0.0.1:1", "example.org:1", "127.0.0.1.example.org:1", "localhost", "", "dns://8.8.8.8/localhost:1", "ipv4:1.1.1.1:1"],
)
def test_a_token_is_not_sent_in_the_clear(target: str) -> None:
    with pytest.raises(UsageError, match="in the clear") as raised:
        Client(target, token=TOKEN)
    assert TOKEN not in str(raised.value)
    assert bearer(TOKEN, target, Tls())


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tokén"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="printable ASCII"):
        bearer(token, "127.0.0.1:1", None)


def test_a_command_takes_a_token_of_a_private_file_or_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTRIDEX_TOKEN", raising=False)
    assert given_token(None) is None
    monkeypatch.setenv("ATTRIDEX_TOKEN", TOKEN)
    assert given_token(None) == TOKEN
    file = tmp_path / "token"
    file.write_text("another\n")
    file.chmod(0o600)
    assert given_token(file) == "another"
    file.chmod(0o644)
    with pytest.raises(UsageError, match="others may read it"):
        given_token(file)
    with pytest.raises(UsageError, match="No such file"):
        given_token(tmp_path / "none")
