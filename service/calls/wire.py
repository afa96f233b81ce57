"""Messages of their bytes, none of which holds so much that reading it would stop the event loop.

Two bytes on the wire may be a message of a hundred in memory: 16 MiB of them take seconds, and nothing else runs meanwhile.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from attridex.service.errors import InvalidArgumentError
from attridex.v1.limits import MESSAGE_FIELDS

UNREADABLE = "the request cannot be read: it is damaged, or nested more than 100 messages deep"
SMALL = 1 << 16
"""Bytes of a message that is parsed in no time, whatever it holds."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""What the content of a field is on the wire: https://protobuf.dev/programming-guides/encoding/."""


def parsed(kind: type[Any], data: bytes, most: int = MESSAGE_FIELDS) -> Any:
    """A message, of so many fields at most: see `Limits`.

    Raises:
        InvalidArgumentError: the bytes are none, or it holds too much.
    """
    if len(data) > SMALL:
        check_fields(kind.DESCRIPTOR, data, most)
    try:
        return kind.FromString(data)
    except DecodeError:
        raise InvalidArgumentError(UNREADABLE) from None


def check_fields(kind: Descriptor, data: bytes, most: int) -> None:
    """Refuse a message of more fields than may be, having looked at no more than that.

    Raises:
        InvalidArgumentError: it has more, or ends within one.
    """
    count, waiting = 0, [(kind, 0, len(data))]
    while waiting:
        kind, at, stop = waiting.pop()
        inner = holders(kind)
        while at < stop:
            count += 1
            if count > most:
                raise InvalidArgumentError(f"the request holds more than {most} fields; ask in several")
            tag, at = varint(data, at)
            content, at = skipped(data, tag & 7, at)
            if tag & 7 == BYTES and tag >> 3 in inner:
                waiting.append((inner[tag >> 3], content, min(at, stop)))


@cache
def holders(kind: Descriptor) -> Mapping[int, Descriptor]:
    """The fields of a message, by number, whose messages hold messages themselves."""
    inner = {field.number: field.message_type for field in kind.fields if field.message_type}
    return {number: each for number, each in inner.items() if any(field.message_type for field in each.fields)}


def skipped(data: bytes, wire: int, at: int) -> tuple[int, int]:
    """Where the content of a field begins and ends."""
    if wire == BYTES:
        size, at = varint(data, at)
        return at, at + size
    if wire == VARINT:
        return at, varint(data, at)[1]
    return at, at + {FIXED64: 8, FIXED32: 4}.get(wire, 0)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits, and where it ends.

    Raises:
        InvalidArgumentError: there is none.
    """
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise InvalidArgumentError(UNREADABLE)
