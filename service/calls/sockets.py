"""The sockets below gRPC, which has no call to end a connection: they are found among this process's own descriptors."""

import fcntl
import os
import socket
import struct
import termios
from contextlib import suppress
from urllib.parse import unquote

DESCRIPTORS = "/proc/self/fd"
UNIX = "unix:"


def hang_up(peer: str) -> bool:
    """End the connection with a peer, named as gRPC names it (ipv4:1.2.3.4:567, ipv6:[::1]:567); whether one was found.

    All connections to a Unix socket have one name there (unix:): those are ended whose clients leave unread what was sent.
    """
    ended = False
    with suppress(OSError):
        for name in os.listdir(DESCRIPTORS):
            with suppress(OSError):
                ended |= _ended(int(name), unquote(peer))
    return ended


def _ended(descriptor: int, peer: str) -> bool:
    """Shut a socket down, where it is the peer's; the copy sees to it that no other takes the descriptor's place meanwhile."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        if _name(copy) != peer or (peer == UNIX and not _unread(copy)):
            return False
        copy.shutdown(socket.SHUT_RDWR)
        return True


def _name(connection: socket.socket) -> str:
    """A connection's peer, as gRPC names it."""
    if connection.family == socket.AF_UNIX:
        connection.getpeername()  # raises of what is no connection
        return UNIX if connection.getsockname() else ""  # this process's own pairs have no name
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return ""
    host, port = connection.getpeername()[:2]
    host = host.removeprefix("::ffff:")
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _unread(connection: socket.socket) -> int:
    """Bytes that were sent and that the other side has not read."""
    (size,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    return int(size)
