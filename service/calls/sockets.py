"""The sockets below gRPC, which has no call to end a connection: they are found among this process's own descriptors."""

import asyncio
import errno
import fcntl
import os
import socket
import stat
import struct
import termios
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote

DESCRIPTORS = "/proc/self/fd"
UNIX = "unix:"
SAMPLES, APART_SECONDS = 10, 0.1
"""How often it is looked whether a client reads, and how long after another."""


class Connection(NamedTuple):
    """One of this process's descriptors, and the socket that it was of."""

    descriptor: int
    inode: int


async def hang_up(peer: str) -> bool:
    """End the connection with a peer, named as gRPC names it (ipv4:1.2.3.4:567, ipv6:[::1]:567); whether one was found.

    All connections to a Unix socket have one name there (unix:): those are ended whose clients read nothing of what was sent.
    """
    peer = unquote(peer)
    found = _connections(peer)
    for _ in range(SAMPLES if peer == UNIX else 0):
        await asyncio.sleep(APART_SECONDS)
        now = _connections(peer)
        found = {each: now[each] for each, unread in found.items() if now.get(each, 0) >= max(unread, 1)}
    ended = [_ended(each) for each in found]
    return any(ended)


def _connections(peer: str) -> dict[Connection, int]:
    """The connections with a peer, each with the bytes that were sent to it and that it has not read."""
    found = {}
    with suppress(OSError):
        for name in os.listdir(DESCRIPTORS):
            with suppress(OSError):
                inode = _inode(int(name))
                with socket.socket(fileno=os.dup(int(name))) as copy:
                    if _name(copy) == peer:
                        found[Connection(int(name), inode)] = _unread(copy)
    return found


def _ended(connection: Connection) -> bool:
    """Shut one down; the copy sees to it that no other takes the descriptor's place meanwhile."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.descriptor)) as copy:
        if _inode(copy.fileno()) == connection.inode:
            copy.shutdown(socket.SHUT_RDWR)
            return True
    return False


def _inode(descriptor: int) -> int:
    """What tells a socket from others that had its descriptor, or will have it; an OSError where it is none."""
    found = os.fstat(descriptor)
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.ENOTSOCK, "not a socket")
    return found.st_ino


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
