"""Who may connect: loopback by default, TLS elsewhere."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from attridex.indexer.errors import InputError
from attridex.service.access.followed import Followed


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files: the server's certificate and key, and the CA of clients that must show one."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Server credentials; files that change are read again for the connections that follow.

        Raises:
            InputError: a file cannot be read, is no PEM, or certificate and key do not belong together.
        """
        paths = [path for path in (self.certificate, self.key, self.client_ca) if path]
        followed = Followed(paths, self._configuration)
        return grpc.dynamic_ssl_server_credentials(followed.get(), followed.get, self.client_ca is not None)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        try:
            pair = (self.key.read_bytes(), self.certificate.read_bytes())
            ca = self.client_ca.read_bytes() if self.client_ca else None
        except OSError as error:
            raise InputError(f"TLS: {error.filename}: {error.strerror}") from None
        self._check()
        return grpc.ssl_server_certificate_configuration([pair], ca)

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


def is_loopback(listen: str) -> bool:
    """Whether an address is reachable from this machine alone."""
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost" or listen.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_admin(listen: str, tokens: Path | None, insecure_admin: bool) -> None:
    """Refuse to let everybody administrate but on this machine.

    Raises:
        InputError: the address is open to others, or tokens are asked for too.
    """
    if insecure_admin and tokens:
        raise InputError("--insecure-admin lets everybody administrate, --tokens those with the role admin: give one of them")
    if insecure_admin and not is_loopback(listen):
        raise InputError(f"--insecure-admin: {listen} is reachable from other machines; give --tokens FILE")


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
    if tls is None and not insecure and not is_loopback(listen):
        raise InputError(
            f"--listen {listen}: reachable from other machines without TLS; give --tls-cert and --tls-key, or --insecure"
        )
