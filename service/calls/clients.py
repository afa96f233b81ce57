"""Who is one client: whose calls take turns, share what there is, and are counted together."""

import ipaddress
from urllib.parse import unquote

from attridex.v1.addresses import ip_of

NETWORK = 64
"""Bits of an IPv6 address that one owner has, who may use any address below them."""


def client_of(peer: str, name: str = "") -> str:
    """The client of a connection: the name that it has proven, or else the machine that it comes from.

    On this machine each connection is a client of its own, since those who share the machine share no address; but gRPC does not
    tell connections to a Unix socket apart, which are one client without names.

    Args:
        peer: as gRPC names it: ipv4:1.2.3.4:567, ipv6:[::1]:567, unix:.
        name: of a token or a certificate; empty where there is none.
    """
    if name:
        return f"name:{name}"
    address = ip_of(unquote(peer))
    if address is None:
        return peer
    if address.is_loopback:
        return peer
    if address.version == 4 or address.is_link_local:
        return str(address)
    return str(ipaddress.ip_network((int(address), NETWORK), strict=False))
