"""Who may connect: loopback by default, TLS elsewhere."""

import logging
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import grpc

from attridex.indexer.errors import InputError
from attridex.service.access.certificates import check_now, days_left, validities
from attridex.service.access.followed import Followed
from attridex.service.access.tokens import CERTIFICATE, read_tokens
from attridex.v1.addresses import is_local

WARNED_DAYS = 30.0
"""Days before a certificate expires from which on the log says so."""
log = logging.getLogger("attridex.access")


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files: the server's certificate and key, and the CA of clients that must show one."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [path for path in (self.certificate, self.key, self.client_ca) if path]

    def load(self) -> "Loaded":
        """What they hold.

        Raises:
            InputError: a file cannot be read, is no PEM, certificate and key do not belong together, or it is not valid now.
        """
        for path in self.paths:
            if path.is_fifo():  # nobody may ever write to it
                raise InputError(f"TLS: {path}: not a file")
        try:
            pair = (self.key.read_bytes(), self.certificate.read_bytes())
            ca = self.client_ca.read_bytes() if self.client_ca else None
            self._check()
            found = {path: validities(path) for path in (self.certificate, self.client_ca) if path}
        except OSError as error:  # ssl does not say of which file
            raise InputError(f"TLS: {error.filename or self.certificate}: {error.strerror or error}") from None
        check_now(self.certificate, found[self.certificate][0])
        ends = {path: min(each.ends for each in times) for path, times in found.items()}
        return Loaded(grpc.ssl_server_certificate_configuration([pair], ca), ends)

    def _check(self) -> None:
        """Refuse files that gRPC would only log about, and then say that the port is taken."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            raise InputError(
                f"TLS: {self.certificate} and {self.key}: not a PEM certificate and its unencrypted key ({error.reason or error})"
            ) from None
        try:
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
        except ssl.SSLError as error:
            raise InputError(f"TLS: {self.client_ca}: no PEM certificate of a CA ({error.reason or error})") from None


class Loaded(NamedTuple):
    """Certificates as gRPC takes them, and when the first of each file expires."""

    configuration: grpc.ServerCertificateConfiguration
    ends: Mapping[Path, datetime]


class Certificates:
    """The certificates of a server; files that change are read again for the connections that follow."""

    def __init__(self, tls: Tls) -> None:
        """Read them; see `Tls.load` for what it raises."""
        self._tls, self._followed = tls, Followed(tls.paths, tls.load)

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC asks whenever somebody connects."""
        return grpc.dynamic_ssl_server_credentials(self._now(), self._now, self._tls.client_ca is not None)

    def _now(self) -> grpc.ServerCertificateConfiguration:
        return self._followed.get().configuration

    @property
    def days_left(self) -> dict[str, float]:
        """Days until the first certificate of a file expires, negative afterwards; by what it is for: `server`, `client-ca`."""
        ends = self._followed.get().ends
        named = {"server": self._tls.certificate, "client-ca": self._tls.client_ca}
        return {name: days_left(ends[path]) for name, path in named.items() if path}

    def warnings(self) -> Iterator[str]:
        """A line for each file of which a certificate expires soon."""
        for path, end in self._followed.get().ends.items():
            left = days_left(end)
            if left < WARNED_DAYS:
                when = f"expires in {left:.1f} days" if left > 0 else f"expired {-left:.1f} days ago"
                yield f"TLS: {path}: a certificate {when}; put a renewed one there: it is read without a restart"


def tls_of(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    """TLS from the options of a command; None where none is given.

    Raises:
        InputError: some of them are missing; left out silently, clients would not be checked.
    """
    if certificate and key:
        return Tls(certificate, key, client_ca)
    if certificate or key:
        raise InputError("--tls-cert and --tls-key go together")
    if client_ca:
        raise InputError("--tls-client-ca needs --tls-cert and --tls-key: clients are only asked for a certificate over TLS")
    return None


def check_admin(listen: str, tokens: Path | None, insecure_admin: bool) -> None:
    """Refuse to let everybody administrate but on this machine.

    Raises:
        InputError: the address is open to others, or tokens are asked for too.
    """
    if insecure_admin and tokens:
        raise InputError("--insecure-admin lets everybody administrate, --tokens those with the role admin: give one of them")
    if insecure_admin and not is_local(listen):
        raise InputError(f"--insecure-admin: {listen} is reachable from other machines; give --tokens FILE")


def warn_of_tokens(listen: str, tls: Tls | None, tokens: Path | None) -> None:
    """Say in the log that tokens can be read on their way, and that certificates are named which nobody can show."""
    if tokens and (tls is None or tls.client_ca is None) and read_tokens(tokens).certificates:
        log.warning("%s names certificates (%s), and no client can show one without --tls-client-ca", tokens, CERTIFICATE)
    if tokens and tls is None and not is_local(listen):
        log.warning("--tokens with --insecure: tokens travel in the clear to %s; give --tls-cert and --tls-key", listen)


def parse_mode(text: str) -> int:
    """A file's mode.

    Raises:
        InputError: it is none, or gives rights that nobody could use.
    """
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777 or not mode & 0o200:
        raise InputError(f"--socket-mode {text}: an octal mode with which the owner may connect is needed, as 600 or 660")
    return mode


def is_host_port(listen: str) -> bool:
    """Whether an address is HOST:PORT.

    gRPC takes a port modulo 65536, and reads an IPv6 address without brackets as one without a port: neither is what was asked.
    """
    host, _, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    return port.isascii() and port.isdecimal() and int(port) <= 65535 and (bracketed or ":" not in host)


def address(listen: str, port: int) -> str:
    """The address that clients use, once the port is known."""
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def check_listen(listen: str, tls: Tls | None, insecure: bool) -> None:
    """Refuse to serve others in the clear unless told so.

    Raises:
        InputError: the address is no HOST:PORT, or is open to others without TLS.
    """
    if not (listen.startswith("unix:") or is_host_port(listen)):
        raise InputError(
            f"--listen {listen}: an address such as 127.0.0.1:50051 or [::1]:50051 is needed, with a port up to 65535"
        )
    if tls is None and not insecure and not is_local(listen):
        raise InputError(
            f"--listen {listen}: reachable from other machines without TLS; give --tls-cert and --tls-key, or --insecure"
        )
