"""A file of tokens is taken whole or refused in a line that holds no token, and is followed when it changes."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from attridex.indexer.errors import InputError
from attridex.service.access.access import Access, known
from attridex.service.access.tokens import read_tokens
from attridex.service.errors import RoleError, UnauthenticatedError

SECRET = "correct-horse-battery-staple"
OTHER = "another-token-of-some-length"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line of it"),
        ("# nothing\n\n", "no line of it"),
        ("query alice\n", "line 1: 2 words"),
        (f"# roles\nreader alice {SECRET}\n", "line 2: no role 'reader'"),
        ("query alice short-token-of-19ch\n", "line 1: the token has 19 characters"),
        ("query alice tokén-of-more-than-twenty-characters\n", "printable ASCII"),
        ("query alice sha256:12ab\n", "64 hexadecimal digits"),
        ("query alice cert:\n", "without a name"),
        (f"query alice {SECRET}\nadmin bob {SECRET}\n", "stands in 2 lines"),
        (f"query alice {SECRET}\nadmin bob sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}\n", "stands in 2 lines"),
        ("query alice cert:a\nadmin bob cert:a\n", "stands in 2 lines"),
    ],
)
def test_a_wrong_line_is_named_and_no_token_is_shown(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as raised:
        read_tokens(written(tmp_path / "tokens", text))
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644])
def test_a_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"others may read it .mode {mode:04o}.; chmod 600"):
        read_tokens(written(tmp_path / "tokens", f"query alice {SECRET}\n", mode))


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "bytes").chmod(0o600)
    (tmp_path / "long").write_bytes(b"#" * (2 << 20))
    (tmp_path / "long").chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)  # nobody writes to it: whoever opened it would wait for ever
    said = {"none": "No such file", ".": "directory", "bytes": "not UTF-8", "long": "longer than", "pipe": "not a file"}
    for name, words in said.items():
        with pytest.raises(InputError, match=words):
            read_tokens(tmp_path / name)


def test_tokens_are_known_plain_hashed_and_by_certificate(tmp_path: Path) -> None:
    hashed = hashlib.sha256(OTHER.encode()).hexdigest()
    lines = [f"query alice {SECRET} one two", f"  admin bob sha256:{hashed.upper()}", "query carol cert:carol.example"]
    tokens = read_tokens(written(tmp_path / "tokens", "\n".join(["# who may what", *lines])))
    alice = known(tokens, [f"Bearer {SECRET}"], ())
    assert (alice.name, alice.role, alice.may_ask("one"), alice.may_ask("three")) == ("alice", "query", True, False)
    assert known(tokens, [f"bearer {OTHER}"], ["carol.example"]).name == "bob"  # a token comes before a certificate
    assert known(tokens, [], ["x", "carol.example"]).name == "carol"
    for authorization in ([], [""], ["Bearer"], [f"Basic {SECRET}"], [f"Bearer {SECRET}x"], [f"Bearer {SECRET}"] * 2, [SECRET]):
        with pytest.raises(UnauthenticatedError, match="authorization: Bearer TOKEN") as raised:
            known(tokens, authorization, ["stranger"])
        assert SECRET not in str(raised.value)
    with pytest.raises(UnauthenticatedError):  # a wrong token is not made good by a certificate
        known(tokens, ["Bearer wrong"], ["carol.example"])


def test_a_changed_file_is_followed_and_a_bad_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "tokens", f"query alice {SECRET}\n")
    access = Access(path)
    assert access.asker([f"Bearer {SECRET}"], ()).name == "alice"
    with pytest.raises(RoleError, match="'alice' has the role query; this call needs admin"):
        access.check(access.asker([f"Bearer {SECRET}"], ()), "admin")
    written(path, f"admin bob {OTHER}\n")
    access.check(access.asker([f"Bearer {OTHER}"], ()), "admin")
    with pytest.raises(UnauthenticatedError):
        access.asker([f"Bearer {SECRET}"], ())
    for spoil in (lambda: written(path, "nonsense\n"), lambda: written(path, f"query eve {SECRET}\n", 0o644), path.unlink):
        caplog.clear()
        spoil()
        for _ in range(3):
            assert access.asker([f"Bearer {OTHER}"], ()).name == "bob"
        (told,) = (record for record in caplog.records if record.levelno == logging.ERROR)
        assert "what was read before is used still" in told.message
    written(path, f"query alice {SECRET}\n")
    assert access.asker([f"Bearer {SECRET}"], ()).name == "alice"
