"""Until when the certificates of a PEM file are valid: the one field that the standard library's TLS does not tell of its own."""

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from attridex.indexer.errors import InputError

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
SEQUENCE, UTC_TIME, VERSION = 0x30, 0x17, 0xA0
"""Tags of DER (ITU-T X.690) that stand in a certificate before its times (RFC 5280, 4.1)."""


class Validity(NamedTuple):
    """From when and until when a certificate is valid."""

    begins: datetime
    ends: datetime


def validities(path: Path) -> list[Validity]:
    """Those of each certificate of a file, in its order.

    Raises:
        InputError: there is none.
    """
    found = PEM.findall(path.read_text(encoding="ascii", errors="replace"))
    try:
        times = [_validity(ssl.PEM_cert_to_DER_cert(each)) for each in found]
    except (ValueError, IndexError):
        times = []
    if not times:
        raise InputError(f"TLS: {path}: no PEM certificate")
    return times


def check_now(path: Path, validity: Validity) -> None:
    """Refuse a certificate that no client would take.

    Raises:
        InputError: it has expired, or is not valid yet.
    """
    now = datetime.now(UTC)
    if validity.ends <= now:
        raise InputError(f"TLS: {path}: the certificate expired at {_told(validity.ends)}; a renewed one is needed")
    if validity.begins > now:
        raise InputError(
            f"TLS: {path}: the certificate is not valid before {_told(validity.begins)}; is this machine's clock right?"
        )


def days_left(ends: datetime) -> float:
    """Days until a time; negative once it is over."""
    return (ends - datetime.now(UTC)).total_seconds() / 86400


def _told(moment: datetime) -> str:
    return moment.isoformat(sep=" ").replace("+00:00", " UTC")


def _validity(der: bytes) -> Validity:
    """The times of a certificate: a sequence of one of [version], serial, algorithm, issuer, times (begin, end), ..."""
    _, certificate = _element(der)
    _, signed = _element(certificate)
    for _ in range(3 + (signed[0] == VERSION)):
        signed = signed[_length(signed)[1] :]
    tag, times = _element(signed)
    if tag != SEQUENCE:
        raise ValueError("no times where a certificate has them")
    return Validity(_time(times), _time(times[_length(times)[1] :]))


def _length(data: bytes) -> tuple[int, int]:
    """Where the content of the first element begins and ends."""
    size, start = data[1], 2
    if size >= 0x80:
        start += size - 0x80
        size = int.from_bytes(data[2:start])
    return start, start + size


def _element(data: bytes) -> tuple[int, bytes]:
    """Tag and content of the first element."""
    start, stop = _length(data)
    return data[0], data[start:stop]


def _time(data: bytes) -> datetime:
    """A time in UTC; two digits of a year are those of 1950 to 2049."""
    tag, content = _element(data)
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
