"""Addresses as gRPC writes them: which are on this machine."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

SCHEMES = ("dns:///", "dns:", "ipv4:", "ipv6:")
"""What may stand before HOST:PORT."""
SOCKETS = ("unix:", "unix-abstract:")
"""What stands before the name of a socket of this machine."""


def host_of(address: str) -> str:
    """The host of HOST:PORT, with a scheme or without; empty where there is no port."""
    scheme = next((each for each in SCHEMES if address.startswith(each)), "")
    return address.removeprefix(scheme).rpartition(":")[0].strip("[]")


def ip_of(address: str) -> IPv4Address | IPv6Address | None:
    """The IP of HOST:PORT, that of version 4 where it stands within one of version 6; None where the host is a name."""
    try:
        found = ipaddress.ip_address(host_of(address))
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found


def is_local(address: str) -> bool:
    """Whether an address, to listen on or to connect to, is reached from this machine alone; where in doubt, it is not."""
    if address.startswith(SOCKETS):
        return True
    found = ip_of(address)
    return host_of(address) == "localhost" or (found is not None and found.is_loopback)
