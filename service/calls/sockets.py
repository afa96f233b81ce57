"""The sockets below gRPC, which has no call to end a connection: they are found among this process's own descriptors."""

import os
import socket
from contextlib import suppress
from urllib.parse import unquote

DESCRIPTORS = "/proc/self/fd"


def hang_up(peer: str) -> bool:
    """End the connection with a peer, named as gRPC names it (ipv4:1.2.3.4:567, ipv6:[::1]:567); whether one was found."""
    with suppress(OSError):
        for name in os.listdir(DESCRIPTORS):
            with suppress(OSError):
                if _ended(int(name), unquote(peer)):
                    return True
    return False


def _ended(descriptor: int, peer: str) -> bool:
    """Shut a socket down, where it is the peer's; the copy sees to it that no other takes the descriptor's place meanwhile."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        if _name(copy) != peer:
            return False
        copy.shutdown(socket.SHUT_RDWR)
        return True


def _name(connection: socket.socket) -> str:
    """A connection's peer, as gRPC names it."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return ""
    host, port = connection.getpeername()[:2]
    host = host.removeprefix("::ffff:")
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
