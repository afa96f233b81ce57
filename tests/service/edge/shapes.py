"""Requests of every shape, sense or none: drawn by hypothesis, and damaged."""

import struct
from typing import Any

import grpc
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from attridex.v1 import admin_pb2
from attridex.v1 import attribution_pb2 as pb

OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNAVAILABLE}
"""Statuses that say that something is wrong with the server."""
METHODS = {
    f"/{service.full_name}/{method.name}": method.input_type
    for service in (pb.DESCRIPTOR.services_by_name["AttributionService"], admin_pb2.DESCRIPTOR.services_by_name["AdminService"])
    for method in service.methods
    if method.name in ("ListVersions", "Reload") or not service.name.startswith("Admin")
}
WORDS = [
    "", "t1", "t2", "nobody", "row", "-row", "id", "genre", "label", "loss", "premise", "phone", "grad-dot", "grad-cos",
    "influence", "lissa", "trak", "bm25", "random", "rep-sim", "dcns", "activation", "top-neuron", "summed", "na", "ia:grad-dot",
    "hessian",
    "fisher", "index", "sq8", "auto", "LABEL_1", "[" * 2000, "{" * 2000, '{"a":' * 500, "\x00", "é漢🦉", "x" * 3000, "1e400",
    "%_%",     '{"premise": "the dog", "hypothesis": "ran"}', '{"premise": 1e999}', "NaN", "'; DROP TABLE instances; --",
    "integrated-gradients",
]  # fmt: skip
TEXTS = st.sampled_from(WORDS) | st.text(max_size=20)
WHOLE = st.sampled_from([0, 1, 2, 3, 5, 30, 31, 72, 1000, 2**16, 2**31 - 1])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.fixed_dictionaries({}, optional={"premise": JSON, "hypothesis": JSON, "label": JSON, "id": JSON}) | st.dictionaries(
    TEXTS, JSON, max_size=4
)
BYTES = st.binary(max_size=300) | st.sampled_from(
    [b"\x00" * 288, struct.pack("<72f", *range(72)), struct.pack("<f", float("nan")) * 72]
)
SCALARS: dict[int, Any] = {
    FieldDescriptor.TYPE_STRING: TEXTS, FieldDescriptor.TYPE_BYTES: BYTES, FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats() | st.sampled_from([0.0, 1e-3, 0.1]), FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_UINT32: WHOLE | st.just(2**32 - 1), FieldDescriptor.TYPE_UINT64: WHOLE | st.just(2**64 - 1),
    FieldDescriptor.TYPE_INT32: WHOLE | st.just(-(2**31)), FieldDescriptor.TYPE_INT64: WHOLE | st.just(-(2**63)),
    FieldDescriptor.TYPE_ENUM: st.sampled_from([0, 1, 2, 3, 6, 7, 99]),
}  # fmt: skip


def fill(draw: Any, message: Any, depth: int = 0) -> Any:
    """Give fields of a message values, some of which may be right."""
    descriptor: Descriptor = message.DESCRIPTOR
    for field in descriptor.fields:
        if not draw(st.booleans()) or depth > 6:
            continue
        if isinstance(message, struct_pb2.Struct):
            message.update(draw(RECORDS))
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update(draw(st.dictionaries(TEXTS, TEXTS, max_size=3)))
        elif field.is_repeated:
            several = getattr(message, field.name)
            for _ in range(draw(st.integers(0, 3))):
                fill(draw, several.add(), depth + 1) if field.message_type else several.append(draw(SCALARS[field.type]))
        elif field.message_type:
            inner = getattr(message, field.name)
            inner.SetInParent()
            fill(draw, inner, depth + 1)
        else:
            setattr(message, field.name, draw(SCALARS[field.type]))
    return message


def damaged(draw: Any, content: bytes) -> bytes:
    """Bytes of a message, some of which were changed, or cut off, or other bytes."""
    how = draw(st.sampled_from(["whole", "whole", "whole", "cut", "flipped", "random"]))
    if how == "random":
        return bytes(draw(st.binary(max_size=500)))
    if how == "whole" or not content:
        return content
    at = draw(st.integers(0, len(content) - 1))
    return content[:at] if how == "cut" else content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]


def drawn(draw: Any) -> tuple[str, bytes]:
    """A method and what is sent to it."""
    path = draw(st.sampled_from(sorted(METHODS)))
    return path, damaged(draw, fill(draw, GetMessageClass(METHODS[path])()).SerializeToString())
