"""Frames of HTTP/2 by hand, for clients that no library would be."""

import socket
import struct
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
FRAME = 16384
"""Bytes of a frame at most, where nothing else was agreed upon."""
WINDOW = 4
"""The setting of how much may be sent to a stream."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name: bytes, value: bytes) -> bytes:
    """A header, spelled out."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(path: bytes) -> bytes:
    """What a call begins with."""
    named = {
        b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"x", b"te": b"trailers",
        b"content-type": b"application/grpc",
    }  # fmt: skip
    return b"".join(header(name, value) for name, value in named.items())


def message(content: bytes) -> bytes:
    """A message as DATA carries it."""
    return b"\x00" + struct.pack(">I", len(content)) + content


class Wire:
    """A connection that speaks HTTP/2 as it likes."""

    def __init__(self, place: int | str, window: int | None = None) -> None:
        """Connect to a port, or to a Unix socket; `window` is what each stream lets the server send."""
        self.socket = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
        self.socket.settimeout(20)
        self.socket.connect(place if isinstance(place, str) else ("127.0.0.1", place))
        settings = b"" if window is None else struct.pack(">HI", WINDOW, window)
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(SETTINGS, 1, 0))

    def send(self, content: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(content)

    def call(self, stream: int, path: bytes, content: bytes | None = None) -> None:
        """Begin a call, with a whole message or none."""
        self.send(frame(HEADERS, END_HEADERS, stream, headers(path)))
        if content is not None:
            parts = [message(content)[at : at + FRAME] for at in range(0, len(message(content)), FRAME)]
            for part in parts[:-1]:
                self.send(frame(DATA, 0, stream, part))
            self.send(frame(DATA, END_STREAM, stream, parts[-1]))

    def ended(self) -> bool:
        """Read until the server ends the connection, which it does before the socket's timeout."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def read(self, size: int) -> bytes:
        """So many bytes."""
        found = b""
        while len(found) < size and (more := self.socket.recv(size - len(found))):
            found += more
        return found

    def frames_until(self, kind: int, stream: int) -> bytes:
        """The payload of the next frame of a kind and stream."""
        while True:
            head = self.read(9)
            payload = self.read(int.from_bytes(head[:3], "big"))
            if head[3] == kind and int.from_bytes(head[5:], "big") == stream:
                return payload

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Go, without a word."""
        self.socket.close()
