"""Who may connect: loopback by default, TLS elsewhere."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc

from attridex.indexer.errors import InputError


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files: the server's certificate and key, and the CA of clients that must show one."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Server credentials.

        Raises:
            InputError: a file cannot be read.
        """
        try:
            pair = (self.key.read_bytes(), self.certificate.read_bytes())
            ca = self.client_ca.read_bytes() if self.client_ca else None
        except OSError as error:
            raise InputError(f"TLS: {error.filename}: {error.strerror}") from None
        return grpc.ssl_server_credentials([pair], root_certificates=ca, require_client_auth=ca is not None)


def is_loopback(listen: str) -> bool:
    """Whether an address is reachable from this machine alone."""
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost" or listen.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_listen(listen: str, tls: Tls | None, insecure: bool) -> None:
    """Refuse to serve others in the clear unless told so.

    Raises:
        InputError: the address is no HOST:PORT, or is open to others without TLS.
    """
    if not listen.startswith("unix:") and not listen.rpartition(":")[2].isdecimal():
        raise InputError(f"--listen {listen}: an address such as 127.0.0.1:50051 is needed")
    if tls is None and not insecure and not is_loopback(listen):
        raise InputError(
            f"--listen {listen}: reachable from other machines without TLS; give --tls-cert and --tls-key, or --insecure"
        )
