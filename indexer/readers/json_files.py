"""JSON: an object a line, or a list of objects. What is wrong is said with file, line and column."""

import io
import json
from collections.abc import Iterator, Sequence
from json import JSONDecodeError
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from attridex.indexer.errors import InputError
from attridex.indexer.files import JsonObject
from attridex.indexer.readers.placed_records import PlacedRecord

SPACE = " \t\n\r"
BOM = "\ufeff"


class TwiceError(ValueError):
    """A key stands twice in an object: which of the two is meant cannot be known."""


def read_jsonl(path: Path, stream: BinaryIO) -> Iterator[PlacedRecord]:
    """One JSON object a line; blank lines are skipped."""
    for number, content in enumerate(stream, 1):
        line = content.removeprefix(BOM.encode()) if number == 1 else content
        if line.strip():
            where = f"{path}:{number}"
            text = decoded(line, path, number).rstrip("\r\n")
            yield placed(parsed(text, where), where, text)


def read_json(path: Path, stream: BinaryIO) -> Iterator[PlacedRecord]:
    """A list of JSON objects, or one object a line."""
    content = stream.read()
    if not content.removeprefix(BOM.encode()).lstrip().startswith(b"["):
        yield from read_jsonl(path, io.BytesIO(content))
        return
    text = decoded(content, path, 1).removeprefix(BOM)
    for value, line, own in list_items(text, path):
        yield placed(value, f"{path}:{line}", own)


class ListItem(NamedTuple):
    """A value of a JSON list, the line on which it begins, and its text."""

    value: Any
    line: int
    text: str


def list_items(text: str, path: Path) -> Iterator[ListItem]:
    """The values of a JSON list, one at a time."""
    line, counted, at = 1, 0, after_space(text, 0) + 1
    at = after_space(text, at)
    more = text[at : at + 1] != "]"
    while more:
        line, counted = line + text.count("\n", counted, at), at
        value, end = value_at(text, at, path)
        yield ListItem(value, line, text[at:end])
        at = after_space(text, end)
        more = text[at : at + 1] == ","
        at = after_space(text, at + more)
    if text[at : at + 1] != "]":
        raise InputError(not_json(JSONDecodeError("Expecting ',' delimiter", text, at), str(path), whole=True))
    if (end := after_space(text, at + 1)) != len(text):
        raise InputError(not_json(JSONDecodeError("Extra data", text, end), str(path), whole=True))


def after_space(text: str, at: int) -> int:
    """The place of the first character from `at` on that is no white space."""
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def value_at(text: str, at: int, path: Path) -> tuple[Any, int]:
    """The value that begins at a place of a file, and where it ends."""
    try:
        return DECODER.raw_decode(text, at)
    except JSONDecodeError as error:
        raise InputError(not_json(error, str(path), whole=True)) from None
    except (ValueError, RecursionError) as error:
        line = text.count("\n", 0, at) + 1
        raise InputError(not_json(error, f"{path}:{line}", whole=False)) from None


def decoded(content: bytes, path: Path, first: int) -> str:
    """Bytes of a file as text; `first` is the number of their first line.

    Raises:
        InputError: they are no UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = first + before.count(b"\n"), len(before.rpartition(b"\n")[2].decode()) + 1
        raise InputError(f"{path}:{line}:{column}: not UTF-8 (byte 0x{content[error.start]:02x})") from None


def parsed(text: str, where: str) -> Any:
    """The value that a line holds.

    Raises:
        InputError: it is no JSON, or has a key twice.
    """
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise InputError(not_json(error, where, whole=False)) from None


def not_json(error: Exception, where: str, *, whole: bool) -> str:
    """What is wrong with a text; `whole` says that it is a file's, whose lines count, else it is the line `where`."""
    if isinstance(error, JSONDecodeError):
        place = f"{where}:{error.lineno}:{error.colno}" if whole else f"{where}:{error.colno}"
        return f"{place}: not valid JSON: {error.msg}"
    if isinstance(error, TwiceError):
        return f"{where}: {error}"
    return f"{where}: not valid JSON: {'nested too deeply' if isinstance(error, RecursionError) else error}"


def placed(value: Any, where: str, text: str) -> PlacedRecord:
    """A record with its place; `text` is what it was read from.

    Raises:
        InputError: it is no object, or holds half a surrogate pair, which is no text.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where}: a JSON object is needed, found {type(value).__name__}")
    if "\\u" in text:
        for name, own in value.items():
            try:
                json.dumps({name: own}, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                half = f"\\u{ord(error.object[error.start]):04x}"
                raise InputError(f"{where}: column {name!a} holds half of a surrogate pair ({half}), which is no text") from None
    return PlacedRecord(value, where)


def without_twins(pairs: Sequence[tuple[str, Any]]) -> JsonObject:
    """An object of its keys and values.

    Raises:
        TwiceError: a key stands twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise TwiceError(f"the key {next(name for name in found if names.count(name) > 1)!a} stands twice in an object")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=without_twins)
