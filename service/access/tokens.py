"""The file of tokens: a line for each, `<role> <name> <token or sha256:HEX or cert:NAME> [index ...]`."""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from attridex.indexer.errors import InputError
from attridex.indexer.files import private_text
from attridex.service.rights import ROLES, Asker

SHORTEST = 20
"""Characters of a token: what is shorter can be guessed."""
LINE = "<role> <name> <token or sha256:HEX or cert:NAME> [index ...]"
HASHED, CERTIFICATE = "sha256:", "cert:"


@dataclass(frozen=True)
class Entry:
    """One line: who, and the SHA-256 of their token or the name of their certificate."""

    asker: Asker
    digest: bytes = b""
    certificate: str = ""


@dataclass(frozen=True)
class Tokens:
    """The lines of a file."""

    entries: tuple[Entry, ...]

    @property
    def certificates(self) -> bool:
        """Whether a line names a certificate."""
        return any(entry.certificate for entry in self.entries)

    def of_token(self, token: str) -> Asker | None:
        """Whose token it is. Every line is compared, each in the same time, so that the time tells nothing."""
        digest, found = hashlib.sha256(token.encode(errors="replace")).digest(), None
        for entry in self.entries:
            if hmac.compare_digest(entry.digest or bytes(32), digest):
                found = entry.asker
        return found

    def of_certificate(self, names: Iterable[str]) -> list[Asker]:
        """Whose certificate has one of these names; more than one line may be meant."""
        known = set(names)
        return [entry.asker for entry in self.entries if entry.certificate and entry.certificate in known]


def read_tokens(path: Path) -> Tokens:
    """Read a file of tokens.

    Raises:
        InputError: it cannot be read, others may read it, or a line is wrong; the message holds no token.
    """
    numbered = enumerate(private_text(path).splitlines(), 1)
    lines = [(number, line.split()) for number, line in numbered if line.strip() and not line.strip().startswith("#")]
    entries = tuple(_entry(words, f"{path}: line {number}") for number, words in lines)
    if not entries:
        raise InputError(f"{path}: no line of it is `{LINE}`: nobody could ask")
    (_, times), *_ = Counter((entry.digest, entry.certificate) for entry in entries).most_common(1)
    if times > 1:
        raise InputError(f"{path}: a token, or a certificate's name, stands in {times} lines; one is needed")
    return Tokens(entries)


def _entry(words: list[str], where: str) -> Entry:
    """A line's words."""
    if len(words) < 3:
        raise InputError(f"{where}: {len(words)} words; `{LINE}` is needed")
    role, name, secret, *indices = words
    if role not in ROLES:
        raise InputError(f"{where}: no role '{role[:40]}'; {' or '.join(ROLES)} is needed")
    asker = Asker(name, role, frozenset(indices))
    if secret.startswith(CERTIFICATE):
        if secret == CERTIFICATE:
            raise InputError(f"{where}: cert: without a name")
        return Entry(asker, certificate=secret.removeprefix(CERTIFICATE))
    if secret.startswith(HASHED):
        digits = secret.removeprefix(HASHED)
        if not re.fullmatch("[0-9a-fA-F]{64}", digits):
            raise InputError(f"{where}: sha256: needs 64 hexadecimal digits, and has {len(digits)} characters")
        return Entry(asker, digest=bytes.fromhex(digits))
    if len(secret) < SHORTEST or not (secret.isascii() and secret.isprintable()):
        raise InputError(f"{where}: the token has {len(secret)} characters; {SHORTEST} or more of printable ASCII are needed")
    return Entry(asker, digest=hashlib.sha256(secret.encode()).digest())
